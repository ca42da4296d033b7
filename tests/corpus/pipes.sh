# Pipelines: data, order, the status of the last command, a reader that stops early.
echo one two three | tr ' ' '\n' | sort | cat -n
printf 'c\nb\na\n' | sort | head -n 1
false | true; echo "status $?"
true | false; echo "status $?"
! false | false; echo "status $?"
yes | head -n 3
seq 1 5000 | tail -n 1
(echo from; echo a; echo group) | wc -l
seq 1 10 | while read -r n; do echo "$((n * n))"; done | paste -s -d , -
