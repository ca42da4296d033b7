#!/usr/bin/bash
# needs: bzip2 cat cmp cp gzip ls mkdir rm seq sh sha256sum sort tar touch tr xz
# tar and its compressors: what comes out is what went in, and the bytes are the host's.
mkdir -p in/sub; seq 1 20000 > in/numbers; cp in/numbers in/sub/copy; : > in/empty
touch -d @1000000000 in/* in/sub/* in
for z in gzip bzip2 xz; do
    $z -c in/numbers > n.$z; $z -dc n.$z | cmp - in/numbers && echo "$z $(sha256sum < n.$z)"
    $z -t n.$z && echo sound
done
options="--sort=name --owner=0 --group=0 --mtime=@1000000000 --mode=755"
tar $options -cf all.tar in; sha256sum all.tar; tar tf all.tar; mkdir out; tar xf all.tar -C out
ls -R out
for z in gzip bzip2 xz; do tar $options --$z -cf all.$z in; rm -rf again; mkdir again
tar xf all.$z -C again; cmp again/in/sub/copy in/numbers && echo $z; done
tar cf - in | (cd out && tar xf - && echo piped); tar --delete -f all.tar in/empty
tar tf all.tar | sort | tr '\n' ' '
tar xf all.tar -O in/numbers | cmp - in/numbers && echo straight; rm n.* all.*
