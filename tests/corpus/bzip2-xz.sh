# Other compressors.
seq 1 3000 > n
bzip2 -k n; bzcat n.bz2 | cmp - n && echo bzip2; rm n.bz2
bzip2 -c n | bunzip2 | md5sum
printf '\3757zXZ' > not.xz; xzcat not.xz 2> /dev/null; echo $?
rm not.xz
