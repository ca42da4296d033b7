# Background jobs: wait for one, for all, their statuses.
(exit 3) & first=$!
(exit 5) & second=$!
wait $second; echo $?
wait $first; echo $?
wait $first 2> /dev/null; echo $?
for n in 1 2 3; do (echo $n > job$n) & done
wait
cat job1 job2 job3
sleep 100 & kill $!; wait $! 2> /dev/null; echo $?
{ echo grouped; exit 9; } > out & wait $!; echo $?; cat out
