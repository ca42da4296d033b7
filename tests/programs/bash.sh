#!/usr/bin/bash
# needs: cat mkfifo rm sleep sort touch
# Bash itself: what busybox's shell does not have.
a=(one two "three 3"); a+=(four); echo "${#a[@]} ${a[-1]} ${a[@]:1:2} ${!a[*]}"
declare -A m=([k]=v [x]=y); for k in $(printf '%s\n' "${!m[@]}" | sort); do echo "$k=${m[$k]}"
done
mapfile -t lines < <(printf 'b\na\n'); echo "${lines[1]}${lines[0]}"
diff_of() { cat <(echo "$1") <(echo "$2"); }; diff_of x y
[[ abc123 =~ ([a-z]+)([0-9]+) ]] && echo "${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
cat <<< "here ${a[0]^^} ${a[1]/t/T} ${a[2]#three }"
printf -v padded '%05d|%-6s|%q' 42 ab 'x y'; echo "$padded"
coproc { while read -r line; do echo "<$line>"; done; }
echo hello >&"${COPROC[1]}"; read -r answer <&"${COPROC[0]}"; echo "$answer"
exec {COPROC[1]}>&-; wait
trap 'echo usr1' USR1; kill -USR1 $$; trap 'echo bye' EXIT
# A shell of its own: wait -n may as well tell of a substitution above that has just ended.
# It says 127 of a job that has ended before it was called.
next() { local status=127; while ((status == 127)); do (sleep 0.1; exit "$1") & wait -n; status=$?
    done; echo "next $status"; }
(next 3; next 4)
set -o pipefail; false | true; echo "pipe $? ${PIPESTATUS[*]}"
for ((i = 0, sum = 0; i < 300; i++)); do ((sum += i ** 2)); done
echo "$sum $((16#ff)) $((sum >> 3))"
{ echo out; echo err >&2; } 2>&1 | sort
shopt -s extglob nullglob; touch f1 f2 g1
echo @(f|g)1 *.none; echo {a..e..2}{1,2}
# The other end stays silent until the time is over, however long that takes.
mkfifo gate; time_out() { read -r -t 0.1 line < <(cat gate); echo "read $?"; : > gate; }
time_out | { read -r x; [ "${x#read }" -gt 128 ] && echo late; }; rm gate
