# The read builtin.
printf 'one two three\n' > file
read -r a b < file; echo "$a|$b"
echo 'a:b:c' | (IFS=: read -r x y z; echo "$z$y$x")
printf 'back\\slash\n' | (read v; echo "$v")
printf 'back\\slash\n' | (read -r v; echo "$v")
printf 'no newline' | (read -r v; echo "$? $v")
while read -r line; do echo "<$line>"; done < file
printf 'abcdef' | (read -n 3 v; echo $v)
read -r v < /dev/null; echo $?
