#!/usr/bin/bash
# needs: sqlite3 rm
# A table of 20,000 rows with both kinds of journal.
for journal in delete wal; do
    sqlite3 $journal.db "pragma journal_mode=$journal;
        create table t(id integer primary key, k text, v real);
        with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
        insert into t select i, printf('key%05d', i * 7919 % 20000), i / 8.0 from n;
        create index byk on t(k); begin; update t set v = -v where id % 3 = 0; rollback;
        begin; delete from t where id % 5 = 0; commit; select count(*), sum(v), max(k) from t;
        select id from t where k = 'key00042'; pragma integrity_check; vacuum"
    sqlite3 $journal.db 'select count(*) from t; pragma integrity_check'
done
rm -f ./*.db*
