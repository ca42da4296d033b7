# Signals that come while the shell is busy.
count=0
trap 'count=$((count + 1))' USR1
i=0
while [ $i -lt 20 ]; do kill -USR1 $$; i=$((i + 1)); done
echo $count
trap 'got="$got $1"' HUP
set -- x; kill -HUP $$; echo "$got"
