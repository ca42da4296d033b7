# sort: numbers, keys, uniqueness, reverse, stability, larger input.
printf '10\n9\n100\n1\n' > n
sort n; sort -n n; sort -rn n
printf 'b 2\na 10\nc 1\na 2\n' > k
sort k; sort -k2n k; sort -k1,1 -s k
printf 'x\ny\nx\n' | sort -u
printf 'B\na\nC\n' | sort -f
seq 1 20000 | sort -r | md5sum
printf 'a:3\nb:1\n' | sort -t: -k2
sort -c n 2> /dev/null || echo disorder
