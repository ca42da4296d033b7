# tee, and more than one output.
seq 1 5 | tee a b | wc -l; cat a b | wc -l; echo more | tee -a a > /dev/null; tail -n 1 a
seq 1 30000 | tee copy | md5sum; md5sum < copy
echo both | tee /dev/stderr 2> err; cat err
