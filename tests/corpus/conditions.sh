# if, elif, case, && and ||, test in all its forms.
for n in 0 5 10; do
	if [ $n -lt 5 ]; then echo small; elif [ $n -eq 5 ]; then echo five; else echo large; fi
done
for word in apple Banana 42 x.txt ''; do
	case $word in
		[A-Z]*) echo capital ;;
		[0-9]*) echo number ;;
		*.txt | *.md) echo text ;;
		'') echo empty ;;
		*) echo other ;;
	esac
done
touch file; mkdir dir; ln -s file link
[ -f file ] && [ ! -d file ] && [ -d dir ] && [ -L link ] && [ -e link ] && echo types
[ -s file ] || echo empty file
[ a '<' b ] && [ a != b ] && [ -n a ] && [ -z '' ] && echo strings
[ 3 -gt 2 -a 2 -ge 2 ] && [ 1 -ne 2 -o 1 -eq 2 ] && echo numbers
[[ abc == a* ]] && echo pattern
false || echo or; true && echo and
