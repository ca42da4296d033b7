# gzip and its relatives.
seq 1 5000 > n; cp n m
gzip m; ls; gunzip m.gz; cmp n m && echo same
gzip -c n | gunzip -c | cmp - n && echo piped
gzip -c n | zcat | tail -n 1
gzip -c n > g; gunzip -t < g && echo sound
head -c 100 g > cut; gunzip -t < cut 2> /dev/null; echo $?
echo not compressed | gunzip 2> /dev/null; echo $?
gzip -9 -c n | wc -c > nine; [ "$(cat nine)" -lt 12000 ] && echo smaller
rm g cut nine
