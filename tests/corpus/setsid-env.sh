# Other ways to start a program: setsid, env, a login name for a shell.
setsid sh -c 'echo new session'; env A=b sh -c 'echo $A'; env -i sh -c 'echo "<$HOME>"'
env -u HOME sh -c 'echo "<$HOME>"'; sh -c 'echo "$0 $1"' name argument
echo 'echo from a file; exit 3' > script; sh script; echo $?; sh < script; echo $?
echo 'echo "$# $2"' | sh -s one two; sh -ec 'false; echo never'; echo $?
