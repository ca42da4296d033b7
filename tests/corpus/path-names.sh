# Names of files and programs.
basename /a/b/c.txt; basename /a/b/c.txt .txt; dirname /a/b/c; basename /; dirname c
mkdir -p d; ln -s d l; (cd l; basename "$(pwd -P)"); readlink -f l/../d | sed 's|.*/||'
realpath d/../d | sed 's|.*/||'; mktemp -d ./tmpXXXXXX | wc -c; rmdir tmp*
test -x /bin/busybox && echo busybox; true; command -v no-such; echo $?
