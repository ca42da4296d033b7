# xargs.
seq 1 10 | xargs echo; seq 1 5 | xargs -n 2 echo; printf 'a b\nc\n' | xargs -I{} echo '<{}>'
printf 'a b\0c\0' | xargs -0 -n 1 echo; echo | xargs -r echo never
seq 1 3 | xargs -n 1 sh -c 'echo "arg $0"'
seq 1 4 | xargs -n 1 sh -c '[ $0 != 3 ]'; echo $?
seq 1 3000 | xargs -n 500 | wc -l
