#!/usr/bin/bash
# needs: busybox cat chmod cmp curl head mkdir printf rm sed seq sleep wc
# busybox's httpd with curl: files, ranges, scripts, errors, many at a time.
mkdir -p www/cgi-bin; seq 1 60000 > www/n; echo small > www/s
printf '#!/usr/bin/bash\necho "Content-type: text/plain"\necho\n' > www/cgi-bin/c
printf 'echo "$REQUEST_METHOD $QUERY_STRING"; cat\n' >> www/cgi-bin/c; chmod +x www/cgi-bin/c
# Below the ports that any program gets who asks for none.
port=$((20000 + $$ % 12000)); u=http://127.0.0.1:$port
busybox httpd -f -p 127.0.0.1:$port -h www & server=$!
until curl -s -o /dev/null $u/s; do sleep 0.05; done
curl -s $u/s; curl -s $u/n | cmp - www/n && echo same; curl -s -r 10-20 $u/n
curl -s -o /dev/null -w '%{http_code} %{size_download}\n' $u/none
curl -s "$u/cgi-bin/c?a=b"; curl -s -d 'posted text' $u/cgi-bin/c; echo
head -c 100000 www/n | curl -s --data-binary @- "$u/cgi-bin/c?long" | wc -c
for i in 1 2 3 4; do curl -s -o out$i $u/n & gets[i]=$!; done; wait "${gets[@]}"
for i in 1 2 3 4; do cmp out$i www/n && echo $i; done
curl -s http://127.0.0.1:1/; echo "refused $?"
curl -s -o a $u/s -o b $u/n; cmp b www/n && cat a
kill $server; wait $server; echo $?; rm -rf www out? a b
