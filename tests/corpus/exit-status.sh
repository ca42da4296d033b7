# Exit statuses, and the status of the script itself.
true; echo $?; false; echo $?
sh -c 'exit 300'; echo $?
no-such-command 2> /dev/null; echo $?
touch file; ./file 2> /dev/null; echo $?
(exit 9); echo $?
! true; echo $?
sh -c 'echo in child; exit 4' || echo "child $?"
exit 7
