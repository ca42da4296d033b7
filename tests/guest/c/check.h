/* What the C guests share: a check that says where it failed, and a line for each case. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition)) {                                                    \
            dprintf(2, "FAIL %s:%d: %s (errno: %s)\n", __FILE__, __LINE__,     \
                    #condition, strerror(errno));                              \
            _exit(1);                                                          \
        }                                                                      \
    } while (0)

#define RUN(function)                                                          \
    do {                                                                       \
        function();                                                            \
        printf("ok %s\n", #function);                                          \
        fflush(stdout);                                                        \
    } while (0)

#endif
