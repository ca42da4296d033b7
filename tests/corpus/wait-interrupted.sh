# A trapped signal ends wait with 128 and its number; the job goes on.
trap 'trapped=yes' USR1
me=$$
# Sent until it has come while the shell waits, and the job ends only then.
(until [ -e seen ]; do kill -USR1 $me; sleep 0.1; done; exit 6) & job=$!
wait $job; echo "$? $trapped"
trap '' USR1; : > seen
wait $job; echo $?
