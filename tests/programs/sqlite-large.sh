#!/usr/bin/bash
# needs: cmp rm sqlite3
# A schema with 100,000 rows, with both kinds of journal.
for journal in delete wal; do
    sqlite3 $journal.db "pragma journal_mode=$journal;
        create table person(id integer primary key, name text unique, born int);
        create table owns(person int references person, thing text, worth real);
        create index owner on owns(person);
        create view rich as select name, sum(worth) as sum from person join owns on id = person
            group by id order by sum desc, name;
        create trigger gone after delete on person begin
            delete from owns where person = old.id; end;
        begin; with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000)
        insert into person select i, printf('p%05d', i * 7919 % 50000), 1900 + i % 120 from n;
        insert into owns select id, 'thing' || id % 97, id % 1000 / 4.0 from person; commit;
        select * from rich limit 3; delete from person where born = 1950;
        select count(*), sum(worth) from owns;
        begin; update owns set worth = 0; rollback;
        select born, count(*) from person group by born order by 2 desc, 1 limit 2;
        pragma integrity_check"
    sqlite3 $journal.db .dump > $journal.sql
    sqlite3 copy.db < $journal.sql
    sqlite3 copy.db 'select count(*), max(name) from person; pragma integrity_check'
    rm copy.db
done
cmp delete.sql wal.sql && echo equal
rm -f ./*.db* ./*.sql
