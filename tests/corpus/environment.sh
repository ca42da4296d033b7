# Variables and the environment of children.
A=1; export B=2
sh -c 'echo "A=$A B=$B"'
A=3 sh -c 'echo "A=$A"'; echo "A=$A"
env -i X=y sh -c 'echo "X=$X B=$B"'
export A; unset B; sh -c 'echo "A=$A B=$B"'
readonly R=1; (R=2) 2> /dev/null; echo $?
env | grep -c '^HOME='
C=$(printf '%01000d' 7) sh -c 'echo ${#C}'
