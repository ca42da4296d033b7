# What shells without arrays do instead.
set -- alpha beta gamma; eval "echo \${$#}"; echo "${1}" "$3"; shift 2; echo "$# $1"
list=; for w in a b c; do list="$list${list:+,}$w"; done; echo "$list"
old=$IFS; IFS=,; for w in $list; do echo "[$w]"; done; IFS=$old
i=1; for v in x y; do eval "v$i=$v"; i=$((i + 1)); done; echo "$v1$v2"
s=abc; while [ -n "$s" ]; do rest=${s#?}; echo "${s%"$rest"}"; s=$rest; done
