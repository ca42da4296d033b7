# base64, uuencode, ascii transformations.
printf 'any carnal pleas' | base64; printf 'YW55IGNhcm5hbCBwbGVhcw==' | base64 -d; echo
seq 1 1000 | base64 | base64 -d | md5sum
printf data | uuencode name; printf data | uuencode -m x | uudecode -o out; cat out; echo
printf 'a\nb\n' > u; unix2dos u; od -c u; dos2unix u; od -c u
