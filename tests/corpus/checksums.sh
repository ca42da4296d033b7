# Digests.
printf abc > f; : > empty; seq 1 50000 > big
md5sum f empty big; sha1sum f; sha256sum f empty big; sha512sum f | cut -c1-32
sha256sum f big > sums; sha256sum -c sums; echo x >> big; sha256sum -c sums 2> /dev/null; echo $?
cat f | md5sum; sha3sum f | cut -c1-16
