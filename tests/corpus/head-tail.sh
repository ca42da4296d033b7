# head and tail.
seq 1 100 > n
head -n 3 n; tail -n 3 n
head -c 5 n; echo; tail -c 4 n
tail -n +98 n
head -n 20 n | tail -n 2
head -n -97 n
seq 1 100000 | head -n 2
