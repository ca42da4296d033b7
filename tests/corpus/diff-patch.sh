# diff and patch.
seq 1 10 > a; seq 1 10 | sed 's/5/five/;8d' > b
diff a b; echo $?; diff a a; echo $?; diff -q a b
diff -u a b | tail -n +3 > p; cat p
cp a c; { echo '--- c'; echo '+++ c'; cat p; } | patch > /dev/null; cmp b c && echo patched
mkdir x y; echo 1 > x/f; echo 2 > y/f; touch x/only; diff -r x y | sort
cmp a b | cut -d, -f1
