# Jobs that end in another order than they began.
for delay in 0.09 0.01 0.05; do (sleep $delay; echo $delay) & done | sort
wait
mkfifo gate
(read -r go < gate; echo "went: $go"; exit 4) & job=$!
echo now > gate
wait $job; echo $?
rm gate
