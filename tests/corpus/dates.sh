# date in UTC, of given times.
export TZ=UTC0
date -d @0; date -d @1000000000 +%Y-%m-%dT%H:%M:%S; date -d '2020-02-29 12:34:56' +%s
date -d @86399 '+%j %u %H%M%S'; date -u -d '1999-12-31 23:59:59' +%A
TZ=EST5EDT date -d @1600000000 '+%Z %H'
cal 2 2024
