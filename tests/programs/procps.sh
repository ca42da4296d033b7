#!/usr/bin/bash
# needs: ps pgrep pidof pmap pwdx free uptime vmstat top nproc lscpu sleep sed gawk tr
# files: /lib/terminfo
# What procps and its kin find in /proc: of what differs between machines only the form is shown.
export TERM=dumb LC_ALL=C
sleep 321 & p=$!
# The child has executed sleep once its arguments say so.
until [[ $(tr '\0' ' ' < /proc/$p/cmdline 2>/dev/null) == 'sleep 321 ' ]]; do :; done
until [[ $(ps -o stat= -p $p) == S* ]]; do :; done
ps -o comm=,args= -p $p
[[ $(ps -o ppid= -p $p) -eq $$ ]] && echo parent
[[ $(ps -o pgid= -p $p) -eq $(ps -o pgid= -p $$) ]] && echo group
ps -o uid=,gid=,euser=,nlwp= -p $p
ps aux | gawk -v p=$p '$2 == p { print $1, $11, $12, NF; exit }'
ps -efL | gawk -v p=$p '$2 == p { print $1, ($4 == p), $6, $NF; exit }'
(( $(ps -o vsz= -p $p) > 1000 && $(ps -o rss= -p $p) > 100 )) && echo sizes
(( $(ps -o etimes= -p $$) < 1000 )) && echo young
[[ $(pgrep -P $$ -x sleep) == "$p" ]] && echo pgrep
[[ " $(pidof sleep) " == *" $p "* ]] && echo pidof
[[ $(pwdx $p) == "$p: $PWD" ]] && echo pwdx
pmap $p | gawk 'NR == 1 { print $2, $3 } /libc.so/ && !n++ { print $3 }'
pmap -x $p | gawk '/^total/ { print NF, ($3 >= $5) }'
free | gawk 'NR == 1 { print NF } NR > 1 { print $1, ($2 >= $3) }'
uptime | sed 's/[0-9]\+/N/g; s/.*load/load/'
vmstat | gawk '{ print NF }'
top -bn1 -p $p | gawk -v p=$p '$1 == p { print $2, $8, $NF }'
(( $(nproc) >= 1 )) && echo nproc
lscpu | sed -n 's/^\(Architecture\|Byte Order\): */\1 /p'
kill $p; wait $p; echo $?
[[ -e /proc/$p ]] || echo gone
