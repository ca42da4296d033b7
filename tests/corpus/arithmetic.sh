# Arithmetic expansion: operators, bases, precedence, assignment, large numbers.
echo $((1 + 2 * 3)) $(((1 + 2) * 3)) $((7 / 2)) $((-7 / 2)) $((7 % 3)) $((-7 % 3))
echo $((1 << 40)) $((255 >> 4)) $((12 & 10)) $((12 | 3)) $((12 ^ 10)) $((~0))
echo $((5 > 3)) $((5 == 3)) $((1 && 0)) $((1 || 0)) $((!5)) $((3 ? 10 : 20))
echo $((0x1f)) $((017)) $((9223372036854775807)) $((9223372036854775807 + 1))
a=5; echo $((a += 3)) $((a * a)) $((a++)) $((++a)) $((a--)) $a
let 'b = 6 * 7'; echo $b
expr 6 \* 7; expr length abcdef; expr substr abcdef 2 3; expr abc : 'a\(.\)c'
(echo $((1 / 0))) 2> /dev/null; echo "status $?"
