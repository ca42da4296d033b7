# Command substitution: nesting, newlines, status, subshells.
echo "$(echo $(echo deep $(echo deeper)))"
lines=$(printf 'a\nb\n\n\n'); echo "$lines" | wc -l
x=1; y=$(x=2; echo $x); echo "$x $y"
z=$(exit 3); echo $?
echo `echo old \`echo style\``
words=$(seq 1 100); echo $words | wc -w
big=$(seq 1 30000); echo ${#big}
echo "$(cat << END
document within
END
)"
