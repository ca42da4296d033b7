# cpio archives.
mkdir -p t/a; echo one > t/one; echo two > t/a/two
find t | sort | cpio -o -H newc 2> /dev/null > c; cpio -t < c 2> /dev/null
mkdir x; (cd x; cpio -id < ../c 2> /dev/null); find x | sort; cat x/t/a/two
rm c
