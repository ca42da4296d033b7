# Named pipes between processes.
mkfifo p q
(cat p > out) & echo through > p; wait; cat out
(sort < p > q) & printf 'b\na\n' > p & cat q; wait
(while read -r line; do echo "got $line"; done < p) & { echo 1; echo 2; } > p; wait
rm p q
