#!/usr/bin/bash
# needs: cat m4 sh
# m4: macros, recursion, diversions, files, commands.
m4 << 'END'
define(`fact', `ifelse($1, 0, 1, `eval($1 * fact(decr($1)))')')dnl
fact(10) len(`four') index(`abcdef', `cd') substr(`abcdef', 2, 3) translit(`abc', `a-c', `A-C')
define(`loop', `ifelse(eval($1 > $2), 1, `', `$1 loop(incr($1), $2)')')loop(1, 40)
divert(1)second
divert(0)first
undivert(1)format(`%05d|%-4s|%x', 42, `ab', 255) regexp(`foobar', `o+\(b\)', `<\1>')
syscmd(`echo from the shell; exit 3')sysval esyscmd(`echo captured')dnl
sinclude(`/etc/passwd.none')dnl
END
echo $?
echo one > part
m4 -DX=defined << 'END'
X include(part)patsubst(`a-b-c', `-', `+') dumpdef(`X')
errprint(`said
')m4exit(5)
END
echo $?; rm part
