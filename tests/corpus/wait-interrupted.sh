# A trapped signal ends wait with 128 and its number; the job goes on.
trap 'echo trapped' USR1
me=$$
(sleep 1; kill -USR1 $me; sleep 0.5; exit 6) & job=$!
wait $job; echo $?
wait $job; echo $?
