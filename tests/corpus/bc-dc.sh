# The calculators.
echo '2^100' | bc; echo 'scale=10; 22/7' | bc; printf 'a=5\na*a+1\n' | bc
printf 'define f(n) {\nif (n < 2) return (1);\nreturn (n * f(n - 1));\n}\nf(20)\n' | bc
echo '10 3 / p 2 10 ^ p' | dc; echo '16 i FF p' | dc
factor 360 97; seq 5 -2 1; seq -w 8 11; seq 0 0.5 2
