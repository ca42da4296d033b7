# eval, the dot command, aliases.
command='echo evaluated; x=5'
eval "$command"; echo $x
echo 'sourced=yes; f() { echo "f of $1"; }' > library
. ./library; echo $sourced; f library
eval 'echo "$(echo "nested")"'
alias say='echo alias says'
eval 'say hello'
type echo | head -n 1
command -v cd
