# The printf builtin.
printf '%s %d %x %o %c|\n' text 42 255 8 char
printf '%5d|%-5d|%05d|%+d\n' 42 42 42 42
printf '%.2f %e %g\n' 3.14159 1234.5 0.0001
printf '%s\n' a b c
printf '%b' 'esc\tapes\n'
printf '%%\n'
printf '%10s|%-10s|%.2s\n' right left cut
printf '%d\n' 0x10 010 "'A"
