# for, while, until, break, continue, nesting.
for word in a "b c" d; do echo "<$word>"; done
for i in 1 2 3; do for j in 1 2 3; do
	[ $j = 2 ] && continue
	[ $i = 3 ] && break 2
	echo "$i$j"
done; done
n=0
while [ $n -lt 5 ]; do n=$((n + 1)); echo -n "$n "; done; echo
until [ $n -eq 0 ]; do n=$((n - 1)); done; echo $n
set -- x y z
for argument; do echo "$argument"; done
i=0; while :; do i=$((i + 1)); [ $i -ge 2000 ] && break; done; echo $i
