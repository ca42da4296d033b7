# find: names, types, depth, actions, expressions.
mkdir -p t/a/b t/c; touch t/one.txt t/a/two.txt t/a/b/three.md; ln -s ../one.txt t/c/link
find t | sort; find t -name '*.txt' | sort; find t -type d | sort; find t -type l
find t -maxdepth 1 | sort; find t -mindepth 3 | sort
find t -name '*.txt' -exec echo found {} \; | sort
find t -type f -exec cat {} + | wc -c
find t \( -name '*.md' -o -type l \) | sort; find t ! -name '*t*' | sort
find t -name b -prune -o -type f -print | sort
chmod 600 t/one.txt; find t -type f -perm 600; find t -empty | sort
find t -depth -name 'a*' -o -name b | sort; find t -name '*.md' -exec rm {} \;; find t -name '*.md'
find t -print0 | tr '\0' '\n' | wc -l
