# tar: create, list, extract, to and from pipes.
mkdir -p t/a; echo one > t/one; echo two > t/a/two; ln -s one t/link; chmod 640 t/one
tar cf archive.tar t/one t/a/two t/link; tar tf archive.tar
mkdir x; tar xf archive.tar -C x; cat x/t/one x/t/a/two; readlink x/t/link; stat -c %a x/t/one
tar cf - t | tar tf - | sort; tar cf - t | (mkdir y; cd y; tar xf -); ls y/t
tar cf - t | gzip > a.tgz; gunzip -c a.tgz | tar tf - | sort; mkdir z; tar xzf a.tgz -C z
cmp t/one z/t/one && echo same
tar xOf archive.tar t/a/two; tar xf archive.tar no-such 2> /dev/null; echo $?
rm archive.tar a.tgz
