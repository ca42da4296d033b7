# Two processes that talk both ways.
mkfifo ask answer
(while read -r q; do echo "$((q * q))"; done < ask > answer) &
exec 3> ask 4< answer
for n in 2 3 4; do echo $n >&3; read -r a <&4; echo "$n squared is $a"; done
exec 3>&- 4<&-
wait; rm ask answer
