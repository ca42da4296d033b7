# sed: substitution, addresses, commands, several expressions.
seq 1 10 > n
sed 's/1/X/' n | head -n 2; sed -n 5p n; sed '2,9d' n; sed '/5/,/7/!d' n
sed -e 's/^/>/' -e 's/$/</' n | tail -n 1; sed '$!d' n; sed -n '$=' n
echo 'hello world' | sed 's/\(hello\) \(world\)/\2 \1/'
echo aaa | sed 's/a/b/2'; echo aaa | sed 's/a/b/g'; echo abc | sed 'y/abc/xyz/'
sed '1i before' n | head -n 2; sed '1a after' n | head -n 2; sed '1c changed' n | head -n 1
echo 'x=1' | sed -E 's/([a-z])=([0-9])/\2=\1/'
sed ':a;N;$!ba;s/\n/,/g' n
sed -n 'h;n;G;p' n | head -n 2
