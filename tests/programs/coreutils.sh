#!/usr/bin/bash
# needs: base64 basename cat chmod cksum cmp comm cp csplit cut date dd dirname
# needs: env expr factor fold head install join ln ls md5sum mkdir mkfifo mktemp
# needs: mv nl numfmt od paste pr printf readlink realpath rm rmdir sed seq
# needs: sha256sum shuf sleep sort split stat tac tail tee touch tr truncate tsort
# needs: uniq wc
# One line or two of each of the coreutils.
seq 1 200 > n; wc n; head -n 3 n | paste -sd+; tail -n 2 n; tac n | head -n 1
cut -c1 n | sort | uniq -c
printf 'b 2\na 1\nc 3\n' > t; sort t > s; sort -k2nr t; join s <(sort -r s | sort)
comm -12 s t 2>/dev/null | wc -l
paste -d, t s; nl t; fold -w 3 <<< abcdefgh; tr a-c A-C < t; od -An -tx1 t | head -n 1
expr 6 \* 7
split -n 3 n part.; cat part.a? | cmp - n && echo split; csplit -s n 50 100; wc -l xx0?
printf 'a b\nb c\n' | tsort; factor 1001 65537; numfmt --to=iec 1048576
base64 <<< hello | tee b64; base64 -d b64
md5sum n; sha256sum n; cksum n; shuf -i 1-5 -n 5 --random-source=n | sort | tr '\n' ' '; echo
mkdir -p d/e/f; cp n d/e; ln n hard; ln -s d/e link; ls -R d; stat -c '%s %h %F' n hard link
readlink link
realpath link/../e | sed 's|.*/d/|d/|'; basename /x/y.c .c; dirname /x/y.c; cp -a d copy
ls copy/e; mv copy moved; rm -r moved
touch -d @86400 old; stat -c %Y old; date -u -d @0 +%F; date -u -r old +%T; chmod 2751 old
stat -c %a old
truncate -s 10000 hole; stat -c %s hole; dd if=n of=cut bs=10 skip=2 count=3 2>/dev/null
cat cut; echo
install -m 640 n new; stat -c %a new; mkfifo p; cat p > got & echo through > p; wait; cat got
rm p
t=$(mktemp -p . XXXX); [ -f "$t" ] && rm "$t"; env -i A=1 "$(type -P env)"
pr -2 -l 5 -t <<< $'1\n2\n3\n4'; rmdir d 2>/dev/null || echo full
