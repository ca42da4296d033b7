# Pipelines, subshells, sleeps and files in two background jobs, while a third party sends every
# process it sees from node to node at random. On an ordinary Linux, where nothing can be moved,
# the jobs run through and what they print is the reference.
seed=$1
mkdir -p work && cd work || exit 1
seq 1 5000 >numbers

job() {
    round=0
    while [ $round -lt 4 ]; do
        round=$((round + 1))
        gzip <numbers | gunzip | sort -rn | md5sum
        for x in 1 2 3 4 5 6; do echo $x; sleep 0.01; done |
            while read -r line; do echo "$line" | tr 0-9 a-j; done | tr '\n' ' '
        awk '{ sum += $1 } END { print sum }' numbers
        mkdir -p "$1/$round/deep"; echo "$round" >"$1/$round/deep/file"
        find "$1" -type f | sort | xargs cat | tr '\n' ' '
        (trap 'echo trapped' USR1; kill -USR1 $$; exit 3) & wait $!; echo "status $?"
    done
}

random() {
    seed=$(((seed * 1103515245 + 12345) % 2147483648))
    random=$((seed / 65536 % $1))
}

trap 'signals=$((signals + 1))' USR1
job first >first.out 2>&1 & one=$!
job second >second.out 2>&1 & two=$!
if [ -e /proc/self/goto ]; then
    while kill -0 $one 2>/dev/null || kill -0 $two 2>/dev/null; do
        for directory in /proc/[0-9]*; do
            random 3
            { echo $((random + 1)) >"$directory/goto"; } 2>/dev/null
        done
    done
fi
while wait $one; [ $? -gt 128 ]; do :; done
while wait $two; [ $? -gt 128 ]; do :; done
cat first.out second.out
cd .. && rm -rf work
