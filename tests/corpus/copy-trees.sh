# Copying and comparing trees.
mkdir -p src/bin src/share; echo '#!/bin/sh' > src/bin/tool; echo doc > src/share/doc
chmod 755 src/bin/tool; chmod 600 src/share/doc; ln -s ../bin/tool src/share/link
cp -a src twin; diff -r src twin && echo equal; chmod 700 twin/bin/tool; stat -c %a src/bin/tool
cp -r src plain; cp -L src/share/link copied; cp -l src/share/doc hard; stat -c %h hard
find twin | sort | while read -r f; do stat -c '%a %F %n' "$f"; done
cp -u src/share/doc twin/share/doc; cp -f copied src/bin/tool; rm -rf plain
