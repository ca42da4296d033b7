# Chance, with its outcome taken out.
seq 1 50 | shuf | sort -n | md5sum; shuf -e a b c | sort | tr -d '\n'; echo
shuf -n 3 -i 1-10 | wc -l; [ $RANDOM != "$RANDOM$RANDOM" ] && echo random
