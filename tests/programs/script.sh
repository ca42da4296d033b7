#!/usr/bin/bash
# needs: script bash tty stty cat sleep sed sort tr test
# What script(1) runs has a terminal of its own.
export TERM=dumb LC_ALL=C SHELL=/usr/bin/bash
of() { script -qec "$1" /dev/null < /dev/null | tr -d '\r' | sed 's,/dev/pts/[0-9]*,/dev/pts/N,'; }
of 'tty; test -t 0 && test -t 1 && echo terminal'
of 'stty -echo; stty -a | sed -n "s/.*\(-echo\) .*/\1/p"'
of 'stty rows 33 cols 77; stty size'
of 'echo error >&2'
script -qec 'exit 7' /dev/null < /dev/null; echo $?
of 'set -m; cat < /dev/tty & while [ -z "$(jobs -s)" ]; do :; done
    echo stopped; kill -9 %1' | sed -n '/^stopped/p'
of 'kill -INT 0; echo never'; echo after
printf 'one\ntwo\n\004' | script -qec 'sed s/^/read:/' /dev/null |
    tr -d '\r' | sed 's/\^D//;s/\x08//g' | sort
of 'for i in {1..2000}; do echo "line $i of many that fill what a master holds"; done' | sed -n '$p'
