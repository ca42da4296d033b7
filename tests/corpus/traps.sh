# Traps: EXIT, signals, in subshells, reset, ignored.
trap 'echo caught USR1' USR1
kill -USR1 $$
(trap 'echo leaving subshell' EXIT; echo in subshell)
(trap 'echo terminated; exit 3' TERM
sh -c 'kill -TERM $PPID'; sleep 0.2 & wait; echo here?); echo $?
trap '' USR2; kill -USR2 $$; echo ignored
trap - USR1
(sh -c 'kill -USR1 $PPID'; sleep 5); echo $?
trap 'echo first' EXIT
trap 'echo at the end; echo more' EXIT
echo body
