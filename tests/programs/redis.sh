#!/usr/bin/bash
# needs: cat grep mkdir redis-cli redis-server rm sleep sort
# A server of many connections, its client, a snapshot by a forked child, and a log.
serve() { redis-server --port 0 --unixsocket s --dir . --save '' --logfile log "$@" & server=$!; }
ready() { until redis-cli -s s ping > /dev/null 2>&1; do sleep 0.1; done; }
serve; ready
redis() { redis-cli -s s "$@"; }
redis set k v; redis incrby n 41; redis incr n; redis lpush l a b c; redis lrange l 0 -1
redis hset h f 1 g 2; redis hgetall h | sort; redis zadd z 3 c 1 a 2 b; redis zrange z 0 -1
redis eval 'return {KEYS[1], redis.call("get", "n")}' 1 n
for i in 1 2 3 4 5 6 7 8; do echo "set key$i $(printf '%0500d' $i)"; done | redis
redis-cli -s s subscribe channel > got & reader=$!
until [ "$(redis publish channel hello)" = 1 ]; do sleep 0.1; done
until grep -q hello got; do sleep 0.1; done; kill $reader; wait $reader 2>/dev/null; cat got
redis expire k 100; [ "$(redis ttl k)" -gt 50 ] && echo expires; redis type z; redis dbsize
redis save; redis shutdown nosave > /dev/null 2>&1; wait $server; [ -s dump.rdb ] && echo saved
serve --appendonly yes; ready; redis dbsize; redis set after x; redis bgrewriteaof > /dev/null
until redis info persistence | cat | grep -q aof_rewrite_in_progress:0; do sleep 0.1; done
redis shutdown > /dev/null 2>&1; wait; rm -rf got log s dump.rdb appendonlydir
