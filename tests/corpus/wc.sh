# wc and counting.
printf 'one two\nthree\n' > f
wc f; wc -l f; wc -w f; wc -c f; wc -L f
printf 'no newline' | wc
seq 1 12345 | wc
wc f f | tail -n 1
