# Names with blanks, newlines, dashes and stars.
touch 'a b' -- -dash '*' 'new
line' "quote'" 'back\slash'
ls | cat -A; rm -- -dash; rm '*'; ls | wc -l
for f in *; do [ -e "$f" ] && echo found; done
find . -type f -print0 | xargs -0 -n 1 | wc -l
rm new*
