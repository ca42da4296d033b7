# ed, the standard editor.
printf 'one\ntwo\nthree\n' > f
ed f << 'END'
2s/two/TWO/
$a
four
.
1d
,p
w
q
END
cat f
