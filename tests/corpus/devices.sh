# The usual devices.
echo gone > /dev/null; cat /dev/null | wc -c; head -c 1000 /dev/zero | tr -d '\0' | wc -c
head -c 16 /dev/urandom | wc -c; head -c 8 /dev/random | wc -c
a=$(head -c 16 /dev/urandom | md5sum); b=$(head -c 16 /dev/urandom | md5sum)
[ "$a" != "$b" ] && echo differ
echo full > /dev/full 2> /dev/null; echo $?
dd if=/dev/zero of=zeros bs=4096 count=2 2> /dev/null; wc -c < zeros
