# Functions: arguments, locals, return values, recursion.
greet() { echo "hello $1 of $#"; shift; echo "rest: $*"; }
greet a b c
x=outer
change() { local x=inner; y=set; echo "$x"; }
change; echo "$x $y"
answer() { return 42; }
answer; echo $?
factorial() { if [ "$1" -le 1 ]; then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi; }
factorial 10
early() { for i in 1 2 3; do [ $i = 2 ] && return $i; done; }
early; echo $?
unset -f greet; greet 2> /dev/null; echo $?
