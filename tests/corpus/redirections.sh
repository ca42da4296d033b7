# Redirections of all kinds.
echo first > file
echo second >> file
cat < file
ls no-such-file > out 2> err; echo "status $?"
wc -l < out
sed 's/^.*: //' err
{ echo to stdout; echo to stderr >&2; } > both 2>&1
cat both
echo over > both
cat both
exec 3> three
echo via three >&3
exec 3>&-
cat three
exec 4< file
read -r a <&4; read -r b <&4
echo "$b $a"
exec 4<&-
echo truncated > file; : > file
wc -c < file
echo "both ways" 1<> file
cat file
