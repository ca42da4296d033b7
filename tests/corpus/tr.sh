# tr: ranges, classes, deletion, squeezing, complement.
echo Hello | tr a-z A-Z; echo Hello | tr -d l; echo aabbcc | tr -s a-c
echo 'a1b2' | tr -cd '0-9\n'; echo 'a b' | tr ' ' '\n'
echo 'Hello World' | tr '[:upper:]' '[:lower:]'
printf 'a\0b' | tr '\0' '\n'; echo
seq 1 1000 | tr '\n' ' ' | wc -c
