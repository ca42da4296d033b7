# How processes end by signals.
for signal in HUP INT QUIT KILL TERM USR1 ALRM PIPE; do
	sh -c "kill -$signal \$\$" 2> /dev/null
	echo "$signal $?"
done
sleep 100 & kill -STOP $!; kill -CONT $!; kill $!; wait $! 2> /dev/null; echo $?
kill -0 $$ && echo alive
kill -l 15; kill -l 9
