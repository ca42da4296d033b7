#!/usr/bin/sh
# needs: bash bc cat dash env expr sh sleep sort
# Shells in shells, and the calculator.
for shell in dash bash
do
    $shell -c 'x=0; while [ $x -lt 200 ]; do x=$((x + 1)); done; echo $x; (exit 5)
    echo $?; echo "$0"'
done
dash -c 'trap "echo term" TERM; (kill -TERM $$) ; wait; echo on' 
env X=1 dash -c 'echo $X; exec bash -c "echo \$X; exit 9"'; echo $?
echo '2^100; scale=20; 4*a(1)' | bc -l 2>/dev/null
printf 'define f(n) {\n if (n < 2) return (1)\n return (n * f(n - 1))\n}\nf(25)\n' | bc
cat <<- END | dash | sort
	for i in 1 2 3; do (sleep 0.0\$i; echo \$i) & done; wait
END
