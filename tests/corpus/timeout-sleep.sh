# sleep, timeout, and what they return.
sleep 0; sleep 0.01; echo slept
timeout 5 true; echo $?; timeout 5 false; echo $?
timeout -s USR1 1 sleep 10; echo $?
usleep 1000; echo $?
