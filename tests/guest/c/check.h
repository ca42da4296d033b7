/* What the C guests share: a check that says where it failed, a line for each case, and
   checks in children. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
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

/* Checks in a child, which what it becomes ends with. */
__attribute__((unused)) static void in_child(void (*check)(void))
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        check();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

#endif
