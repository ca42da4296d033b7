# dd: blocks, seeking, skipping, sparse files.
seq 1 1000 > n
dd if=n of=copy bs=100 2> /dev/null; cmp n copy && echo same
dd if=n bs=1 skip=10 count=5 2> /dev/null; echo
printf XXX | dd of=copy bs=1 seek=4 conv=notrunc 2> /dev/null; head -c 12 copy
dd if=/dev/zero of=sparse bs=1 count=0 seek=100000 2> /dev/null; wc -c < sparse; md5sum < sparse
dd if=/dev/zero bs=1000 count=3 2> /dev/null | wc -c
truncate -s 50 copy; wc -c < copy; truncate -s 55 copy; tail -c 6 copy | od -c
