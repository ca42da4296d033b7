# Quotes, escapes, word splitting, globs held back.
echo 'single $HOME' "double \$HOME \"in\"" back\ slash
a='two  words'; echo $a; echo "$a"
echo '*' "*" \*
printf '%s\n' "a'b" 'a"b' a\\b
echo "line one
line two"
echo one \
	continued
printf '[%s]' $'tab\there' $'new\nline' $'\x41'; echo
