# awk: files, pipes, getline.
printf '3\n1\n2\n' > n
awk '{ print | "/bin/busybox sort" } END { close("/bin/busybox sort"); print "done" }' n
awk '{ print > "out" $1 }' n; cat out1 out2 out3
awk 'BEGIN { while (("/bin/busybox cat n" | getline line) > 0) t += line; print t }'
awk 'BEGIN { "echo hi" | getline x; print x; print system("exit 3") }'
awk 'BEGIN { while ((getline l < "n") > 0) print "r" l }'
seq 1 30000 | awk '{ s += $1 } END { print s }'
