# grep -r over a tree.
mkdir -p t/a/b t/c
echo needle > t/a/one; echo hay > t/a/b/two; echo 'a needle here' > t/c/three; echo needle > t/.dot
grep -r needle t | sort
grep -rl needle t | sort
grep -rc needle t | sort
grep -rL needle t | sort
grep -rn here t
