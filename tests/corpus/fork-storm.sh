# A hundred processes, one after another and together.
i=0; while [ $i -lt 60 ]; do (exit $((i % 3))) || :; i=$((i + 1)); done; echo $i
for n in $(seq 1 30); do (exit 0) & done; wait; echo all
seq 1 30 | xargs -n 1 sh -c ':' ; echo $?
f() { [ "$1" -gt 0 ] && (f $(($1 - 1))) || echo bottom; }; f 15
