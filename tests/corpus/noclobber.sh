# set -C: a redirection must not destroy a file.
echo keep > file
set -C
(echo lost > file) 2> /dev/null; echo "status $?"
cat file
echo forced >| file
cat file
echo new > fresh && cat fresh
