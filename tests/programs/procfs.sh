#!/usr/bin/bash
# needs: sleep sed gawk cat head ls stat sort tr wc readlink uname rm
# What programs read in /proc and /sys themselves.
[[ -d /proc/$$/task/$$ && -d /proc/thread-self && -d /proc/self ]] && echo self
sleep 654 & p=$!
until [[ $(tr '\0' ' ' < /proc/$p/cmdline 2>/dev/null) == 'sleep 654 ' ]]; do :; done
cat /proc/$p/comm; readlink /proc/$p/exe | sed 's,.*/,,'
ls /proc/$p/task | wc -w; cat /proc/$p/task/$p/comm
gawk '{ print NF, $2 }' /proc/$p/stat; gawk '{ print NF }' /proc/$p/statm
gawk '/^(Name|Umask|PPid|Threads|Uid|NoNewPrivs):/ { print $1, NF }' /proc/$p/status
gawk '/^(Tgid|Pid|VmSize|VmRSS|SigCgt|CapEff):/ { print $1, $3 }' /proc/$p/task/$p/status
tr '\0' '\n' < /proc/$p/environ | sed -n 's/^HOME=//p'
wc -c < /proc/$p/auxv | gawk '{ print $1 % 16, ($1 > 160) }'
gawk '/Max (open files|stack size|core)/ { print $1, $2, $3, $NF }' /proc/$p/limits
gawk '/^Rss/ { rss += $2 } /^Size/ { size += $2 } END { print (rss > 0), (size >= rss) }' \
    /proc/$p/smaps
gawk 'NR == 1 { print $NF } /^(Rss|Private_Dirty)/ { print $1, ($2 > 0) }' /proc/$p/smaps_rollup
(echo hello >&7; gawk '/^(pos|flags)/ { print }' /proc/self/fdinfo/7) 7> file
cat file; rm file
echo 500 > /proc/$p/oom_score_adj; cat /proc/$p/oom_score_adj
[[ -r /proc/$p/wchan && -r /proc/$p/cgroup ]] && echo more
gawk '$5 == "/proc" { print $9 }' /proc/$p/mountinfo; gawk '$2 == "/proc" { print $1 }' /proc/mounts
stat -c '%a %F %U' /proc/$p/stat /proc/$p/environ /proc/$p/fd
kill $p; wait $p
for text in MemTotal: MemFree: SwapTotal:; do
    gawk -v text=$text '$1 == text { print $1, $3 }' /proc/meminfo
done
gawk '/^cpu / { print (NF >= 11) } /^(btime|processes)/ { print $1, ($2 > 0) }' /proc/stat
gawk '{ print NF }' /proc/uptime; gawk '{ print NF }' /proc/loadavg
gawk '/nodev\t(proc|tmpfs)$/ { print $2 }' /proc/filesystems | sort
sed -n 's/^\(processor\)\t: 0$/\1/p' /proc/cpuinfo; head -1 /proc/swaps | gawk '{ print $1 }'
cat /proc/sys/kernel/{ostype,cap_last_cap,ngroups_max} /proc/sys/fs/pipe-max-size
[[ $(uname -r) == "$(< /proc/sys/kernel/osrelease)" ]] && echo release
[[ $(< /proc/sys/kernel/random/uuid) =~ ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$ ]] && echo uuid
[[ $(< /proc/sys/kernel/random/boot_id) == "$(< /proc/sys/kernel/random/boot_id)" ]] && echo boot
head -2 /proc/net/dev | gawk '{ print NF }'; head -1 /proc/net/tcp | gawk '{ print $2 }'
[[ $(< /sys/devices/system/cpu/online) == 0* ]] && echo online
cat /sys/devices/system/cpu/cpu0/topology/core_id
(echo > /proc/uptime) 2>/dev/null || echo refused
