# Parameter expansion.
unset none; empty=; path=/usr/local/lib/file.tar.gz
echo "${none-default} ${none:-default} ${empty-default} ${empty:-default}"
echo "${none:=assigned} $none"
echo "${path:+set} ${empty:+set}end"
echo "${#path} ${path##*/} ${path#*/} ${path%.*} ${path%%.*}"
echo "${path:5:5} ${path: -6}"
echo "${path/local/other} ${path//l/L}"
(: "${missing:?is needed}") 2>&1 | sed 's/.*missing/missing/'; echo "status $?"
set -- one 'two three' four
echo "$#" "$@"; for a in "$@"; do echo "<$a>"; done; for a in $*; do echo "($a)"; done
IFS=:; set -- $(echo a:b:c); echo "$#" "$2"
