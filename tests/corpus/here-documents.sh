# Here-documents: expanded, quoted, indented, several at once, large.
name=world
cat << END
hello $name, $((6 * 7)), $(echo nested), \$name
END
cat << 'END'
hello $name, $((6 * 7)), `no`
END
cat <<- END
	tabs are
		stripped
	END
cat << ONE; cat << TWO
first
ONE
second
TWO
while read -r word; do echo "[$word]"; done << END
a b
c
END
text=$(seq 1 20000)
cat << END | md5sum
$text
END
