# cut, paste, fold, expand, nl.
printf 'a:b:c\nd:e:f\n' > f
cut -d: -f2 f; cut -d: -f1,3 f; cut -c1-3 f; cut -d: -f2- f
seq 1 3 > n
paste n f; paste -d, n f; paste -s n
echo abcdefghij | fold -w 4
printf 'a\tb\n' | expand -t 4; printf 'a       b\n' | unexpand -a | cat -A
nl f
