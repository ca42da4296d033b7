# uniq on sorted and unsorted files.
printf 'a\na\nb\nc\nc\nc\na\n' > f
uniq f; uniq -c f; uniq -d f; uniq -u f; sort f | uniq -c | sort -rn
printf '1 x\n2 x\n3 y\n' | uniq -f 1; printf 'aX\naY\nbX\n' | uniq -w 1
