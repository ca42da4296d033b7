# sed -i and w.
printf 'one\ntwo\nthree\n' > f
chmod 640 f
sed -i 's/two/2/' f; cat f; stat -c %a f
sed -n '/t/w matched' f; cat matched
sed -i.bak '1d' f; cat f f.bak
