/* Closes descriptors one after the other on node 2, between two words on standard output: what is
   on the wire between the words is what the closes cost. Where there is no node 2 it only
   closes. */
#include <fcntl.h>
#include <sys/syscall.h>

#include "check.h"

#define MIGRATE 0x1000
#define CLOSES 100

static void word(const char *text)
{
    CHECK(write(1, text, strlen(text)) == (ssize_t)strlen(text));
}

int main(void)
{
    int fds[CLOSES];
    for (int i = 0; i < CLOSES; i++) {
        fds[i] = open("/dev/null", O_RDONLY);
        CHECK(fds[i] >= 0);
    }
    syscall(MIGRATE, 2);
    word("closes begin\n");
    for (int i = 0; i < CLOSES; i++)
        CHECK(close(fds[i]) == 0);
    word("closes end\n");
    return 0;
}
