# Appending from several processes.
for n in 1 2 3 4; do
	(i=0; while [ $i -lt 25 ]; do echo "line of $n" >> log; i=$((i + 1)); done) &
done
wait
wc -l < log; sort log | uniq -c
: > log
