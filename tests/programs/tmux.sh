#!/usr/bin/bash
# needs: tmux bash cat rm sleep sed
# files: /usr/share/terminfo /usr/lib/terminfo /lib/terminfo /usr/lib/locale/C.utf8
# A session that nobody looks at: keys are sent, and the screen is captured.
export TERM=xterm LC_ALL=C.UTF-8 SHELL=/usr/bin/bash PS1='$ '
t() { tmux -S "$PWD/s" -f /dev/null "$@"; }
shows() { for _ in {1..1000}; do t capture-pane -p | sed -n '/./p' > screen
    if [[ $(< screen) == *$1* ]]; then return; fi; sleep 0.1; done; echo "no $1 in:"; cat screen; }
t new-session -d -n first -x 60 -y 12 'exec bash --norc --noprofile'
t send-keys 'PS1="% "; clear' Enter; shows '%'
t send-keys 'echo $((6 * 7))' Enter; shows 42; sed -n '/^42/p' screen
# The terminal echoes by itself what is typed once the shell does not read it any more.
t send-keys 'echo ready; cat' Enter; shows $'\nready'
t send-keys 'echoed twice' Enter; shows $'twice\nechoed'
t send-keys C-c; shows '^C'; t send-keys 'echo still here' Enter; shows $'\nstill here'
t display-message -p '#{window_width}x#{window_height} #{session_windows}'
t new-window -n second 'exec cat'; t list-windows -F '#{window_name}'
t kill-server; echo $?; rm -f s screen
