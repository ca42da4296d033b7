#!/usr/bin/bash
# needs: cat rm tcc
# files: /usr/include/alloca.h /usr/include/endian.h /usr/include/features.h
# files: /usr/include/features-time64.h /usr/include/stdc-predef.h /usr/include/stdio.h
# files: /usr/include/stdlib.h /usr/include/string.h /usr/include/strings.h
# files: /usr/include/x86_64-linux-gnu/bits /usr/include/x86_64-linux-gnu/gnu
# files: /usr/include/x86_64-linux-gnu/sys /usr/lib/x86_64-linux-gnu/crt1.o
# files: /usr/lib/x86_64-linux-gnu/crti.o /usr/lib/x86_64-linux-gnu/crtn.o
# files: /usr/lib/x86_64-linux-gnu/libc.so /usr/lib/x86_64-linux-gnu/libc.so.6
# files: /usr/lib/x86_64-linux-gnu/libc_nonshared.a /usr/lib/x86_64-linux-gnu/tcc
# A C compiler: a program compiled and run in memory, as a file, and from two objects.
cat > sieve.c << 'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
int twice(int n);
int main(int argc, char **argv) {
    int limit = argc > 1 ? atoi(argv[1]) : 1000, count = 0;
    char *composite = calloc(limit + 1, 1);
    for (int n = 2; n <= limit; n++) {
        if (composite[n]) continue;
        count++;
        for (int m = 2 * n; m <= limit; m += n) composite[m] = 1;
    }
    printf("%d primes up to %d, twice %d, %s\n", count, limit, twice(count), strrchr(argv[0], '.') ?
        "in memory" : "a file");
    return count % 100;
}
END
echo 'int twice(int n) { return 2 * n; }' > twice.c
tcc -run sieve.c 2>/dev/null; echo "unresolved $?"
cat twice.c sieve.c > all.c; tcc -run all.c 10000; echo $?
tcc -o sieve all.c && ./sieve 5000; echo $?
tcc -c twice.c && tcc -c sieve.c && tcc -o linked sieve.o twice.o && ./linked 100; echo $?
tcc -c broken.c 2>/dev/null; echo $?
rm -f ./*.c ./*.o sieve linked
