# What processes see of each other's ends of a pipe.
(echo one; echo two) | (read -r a; echo "first $a"); seq 1 100000 | (read -r a; echo $a)
(sleep 0.05; echo late) | cat; : | cat; echo | wc -l
{ sh -c 'kill -KILL $$' | cat; } 2> /dev/null; echo $?
(exec 1>&-; echo lost) 2> /dev/null; echo $?
cat < /dev/null | sort | uniq | wc -l
