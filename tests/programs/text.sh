#!/usr/bin/bash
# needs: awk cat cmp diff find grep mkdir patch printf sed seq sh sort tr xargs
# grep, sed, awk, find, xargs, diff and patch.
mkdir -p tree/a tree/b; seq 1 3000 > tree/a/n; printf 'alpha\nbeta\ngamma\n' > tree/b/w
printf 'Alpha\n' > tree/w2
grep -rc a tree | sort; grep -n '^29[0-9]$' tree/a/n | tr '\n' ' '
grep -iE 'ALPHA|gam+a' tree/b/w; grep -P '^\w{4}$' tree/b/w
grep -ow 'be.a' tree/b/w; grep -L alpha -r tree | sort; grep -q nothing tree/b/w; echo $?
sed -n '2,3{s/a/<&>/g;p}' tree/b/w; sed '1!G;h;$!d' tree/b/w; sed -i.bak 's/beta/BETA/' tree/b/w
cat tree/b/w.bak
awk '{ s += $1; c[$1 % 7]++ } END { print s
    for (i = 0; i < 7; i++) printf "%d ", c[i]; print "" }' tree/a/n
awk -F: 'BEGIN { "echo a:b:c" | getline; print $2, length($0), toupper($3), substr("hello", 2, 3) }'
awk 'BEGIN { while (i++ < 20000) x = x i % 10; print length(x)
    print "to sort" | "sort"; close("sort") }'
find tree -type f | sort; find tree -name 'w*' -exec printf '<%s>' {} + | tr '<' '\n' | sort
find tree -type f -size +1k | sort
find tree -type f -print0 | sort -z | xargs -0 -n1 printf '[%s]'; echo
seq 1 40 | xargs -P4 -n5 printf '%s ' | tr ' ' '\n' | sort -n | tr '\n' ' '
diff -u tree/b/w.bak tree/b/w | sed 1,2d > change; cat change
sed 's/gamma/delta/' tree/b/w.bak > other
(printf -- '--- x\n+++ x\n'; cat change) | patch -s tree/b/w.bak
cmp tree/b/w tree/b/w.bak && echo patched; diff other tree/b/w; echo $?
