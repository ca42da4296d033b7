# echo and cat with their options.
echo -n no newline; echo
echo -e 'tab\there\0101'
printf 'a\n\n\nb\tc\n' > file
cat file
cat -n file
cat -A file
cat file - file < /dev/null | wc -l
echo piped | cat file -
tac file
rev file
