/* Makes the call that hello-vm adds, at home and, if there is a node 2, away. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

enum { SYS_greet = 0x2000, SYS_migrate = 0x1000 };

static int greet(void)
{
    char text[100];
    long length = syscall(SYS_greet, text, sizeof text);
    if (length < 0) {
        perror("greet");
        return 1;
    }
    return write(STDOUT_FILENO, text, length) != length;
}

int main(void)
{
    if (greet() != 0)
        return 1;
    return syscall(SYS_migrate, 2) == 0 ? greet() : 0;
}
