# grep: options, expressions, statuses.
printf 'apple\nBanana\ncherry\napple pie\n\n42\n' > f
grep apple f; grep -i BANANA f; grep -v apple f; grep -c apple f; grep -n a f
grep -E '^[0-9]+$' f; grep -w pie f; grep -x apple f; grep -o 'ap*' f
grep -q cherry f; echo $?; grep -q nothing f; echo $?
grep -e apple -e 42 f; printf '42\nBanana\n' > p; grep -f p f; grep -F . f; echo $?
grep -A1 cherry f; grep -B1 cherry f; grep -m1 a f
grep x no-such-file 2> /dev/null; echo $?
seq 1 20000 | grep -c 7
