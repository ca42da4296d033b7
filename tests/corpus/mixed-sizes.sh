# Reads and writes of many sizes on one file.
: > f
for size in 1 7 511 512 513 4095 4096 4097 10000; do
	head -c $size /dev/zero | tr '\0' x >> f; wc -c < f
done
for size in 13 1000 4096 5000 65536; do dd if=f bs=$size 2> /dev/null | md5sum; done
