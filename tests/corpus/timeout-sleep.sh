# sleep, timeout, and what they return.
sleep 0; sleep 0.01; echo slept
timeout 300 true; echo $?; timeout 300 false; echo $?
timeout -s USR1 1 sleep 300; echo $?
usleep 1000; echo $?
