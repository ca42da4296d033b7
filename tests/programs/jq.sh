#!/usr/bin/bash
# needs: jq seq
# jq over objects, streams and numbers.
jq -c '.a[] | {x: .b, y: (.c // "none")}' <<< '{"a": [{"b": 1, "c": 2}, {"b": 3}]}'
seq 1 3000 | jq -s 'add, (map(select(. % 500 == 0)) | tostring), (group_by(. % 3) | map(length))'
jq -r '.[] | @base64, @uri, ascii_upcase' <<< '["a b", "c/d"]'
jq -n '[range(5)] | reduce .[] as $n (0; . + $n), (.
    as [$a, $b] | $a + $b), ([limit(3; .[])] | add)'
jq -e '.missing' <<< '{}'; echo $?
jq . <<< '{bad' 2>/dev/null; echo $?
jq --arg k v --argjson n 5 -n '{($k): $n, e: (env | type)} | to_entries | map(.key)' -c
jq -c 'paths, (.. | numbers)' <<< '{"a": [1, {"b": 2.5}]}'
jq -r 'def f: if . < 2 then . else (. - 1 | f) + (. - 2 | f) end; f' <<< 14
jq -rn '"2015-03-05T23:51:47Z" | fromdate, (test("5T")), (sub("T.*"; "")), (0 | todate)'
