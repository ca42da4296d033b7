# What stat and test tell of files.
echo 12345 > f; mkdir d; mkfifo p; ln -s f l
stat -c '%F %s %a' f; stat -c '%F' d p l; stat -L -c '%F' l
[ -p p ] && echo fifo; [ -r f ] && [ -w f ] && echo readable; [ -x d ] && echo searchable
touch -d '2001-02-03 04:05:06' f; stat -c %Y f | wc -c
touch -d '2001-01-01' old; touch -d '2002-01-01' new;
[ new -nt old ] && [ old -ot new ] && echo ages
touch -r old f; [ f -nt old ] || echo same age
[ -c /dev/null ] && echo device
