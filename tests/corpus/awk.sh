# awk: fields, patterns, arrays, functions, formats.
printf 'alice 30 NY\nbob 25 LA\ncarol 35 NY\n' > f
awk '{ print $2, $1 }' f; awk '$2 > 26' f; awk -F' ' '{ s += $2 } END { print s, NR, s / NR }' f
awk '{ c[$3]++ } END { for (k in c) print k, c[k] }' f | sort
awk 'BEGIN { printf "%5.2f|%-5s|%05d\n", 3.14159, "ab", 42 }'
awk '/bob/ { next } { print NR ": " $0 }' f
awk 'function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2) } BEGIN { print fib(15) }'
awk 'BEGIN { s = "hello"; print length(s), substr(s, 2, 3), index(s, "l"), toupper(s) }'
awk 'BEGIN { n = split("a:b:c", p, ":"); print n, p[3]; gsub(/a/, "x", p[1]); print p[1] }'
echo 'a,b,c' | awk -F, -v OFS=- '{ $2 = "X"; print }'
awk 'BEGIN { while (i++ < 3) print i; do print i--; while (i > 2) }'
