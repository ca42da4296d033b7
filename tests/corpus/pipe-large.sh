# More than a pipe holds, through several processes.
seq 1 60000 > numbers
cat numbers | cat | cat | cat > copy
cmp numbers copy && echo same
cat numbers | md5sum
tr '0-9' 'a-j' < numbers | tr 'a-j' '0-9' | cmp - numbers && echo same again
rm copy
