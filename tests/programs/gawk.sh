#!/usr/bin/bash
# needs: gawk seq sh sort
# files: /usr/lib/x86_64-linux-gnu/gawk
# What gawk has beyond awk: arrays of arrays, sorting, coprocesses, times, sockets of /inet.
gawk 'BEGIN { a[1]["x"] = 2; a[1]["y"] = 3; for (k in a[1]) n += a[1][k]; print n, isarray(a[1])
    PROCINFO["sorted_in"] = "@val_num_desc"; split("3 1 2", b); for (i in b) printf "%d ", b[i]
    print asort(b), b[1], gensub(/(.)(.)/, "\\2\\1", "g", "abcdef"), strtonum("0x1f"), and(12, 10)
    print strftime("%F %T", 86399, 1), (systime() > 5), toupper(substr("hello", 2))
    printf "%c%5.1f%-4s|%o\n", 65, 2.25, "ab", 8 }'
gawk 'BEGIN { c = "sort -r"; print "a\nb\nc" |& c; close(c, "to")
    while ((c |& getline line) > 0) printf "%s ", line; print close(c) }'
seq 1 5000 | gawk -F, -v OFS=: '{ n[length($1)] += $1 } $1 ~ /^49{2}/ { print NR, $1 > "hits" }
    END { for (k = 1; k <= 4; k++) print k, n[k]; close("hits")
    while ((getline < "hits") > 0) print }'
gawk 'BEGIN { RS = "[;\n]+"
    FPAT = "([^,]+)|(\"[^\"]+\")" } { print NF, $2 }' <<< 'a,"b,c",d;e,f'
gawk '@load "filefuncs"; BEGIN { print stat("hits", s), s["size"] }'
gawk 'function f(n) { return n < 2 ? n : f(n - 1) + f(n - 2) }
    BEGIN { print f(16); exit 4 }'; echo $?
