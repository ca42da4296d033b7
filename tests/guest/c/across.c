/* process_vm_readv(2), process_vm_writev(2), and what ties a process to its parent (prctl(2)). */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>

#include "check.h"

enum { LARGE = 300000 };

static char small[100], large[LARGE], copy[LARGE];

static void fill(char *bytes, size_t count, int seed)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = i * 7 + i / 251 + seed;
}

static int is_filled(const char *bytes, size_t count, int seed)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != (char)(i * 7 + i / 251 + seed))
            return 0;
    return 1;
}

static ssize_t read_one(pid_t pid, void *to, void *from, size_t count)
{
    struct iovec local = {to, count}, remote = {from, count};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

static ssize_t write_one(pid_t pid, void *to, void *from, size_t count)
{
    struct iovec local = {from, count}, remote = {to, count};
    return process_vm_writev(pid, &local, 1, &remote, 1, 0);
}

/* What a child does between a word of its parent and its own. */
struct talk { int down[2], up[2]; };

static void say(int fd) { CHECK(write(fd, "x", 1) == 1); }

static void hear(int fd)
{
    char byte;
    CHECK(read(fd, &byte, 1) == 1);
}

static void spoken_to_child(struct talk *talk)
{
    fill(small, sizeof(small), 1), fill(large, LARGE, 2);
    say(talk->up[1]);
    hear(talk->down[0]);
    CHECK(is_filled(small, sizeof(small), 3) && is_filled(large, LARGE, 4));
    say(talk->up[1]);
    /* In user code it can be reached as well. */
    while (*(volatile char *)small != 77)
        ;
}

static pid_t begin(struct talk *talk)
{
    CHECK(pipe(talk->down) == 0 && pipe(talk->up) == 0);
    pid_t child = fork();
    if (child == 0) {
        spoken_to_child(talk);
        _exit(0);
    }
    hear(talk->up[0]);
    return child;
}

static void end(struct talk *talk, pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(talk->down[0]), close(talk->down[1]), close(talk->up[0]), close(talk->up[1]);
}

static void there_and_back(void)
{
    struct talk talk;
    pid_t child = begin(&talk);
    CHECK(read_one(child, copy, small, 100) == 100 && is_filled(copy, 100, 1) && small[1] == 0);
    CHECK(read_one(child, copy, large, LARGE) == LARGE && is_filled(copy, LARGE, 2));
    struct iovec local[] = {{copy, 30}, {copy + 50, 0}, {copy + 30, 70}};
    struct iovec remote[] = {{small, 1}, {small + 1, 98}, {small + 99, 1}};
    memset(copy, 0, 100);
    CHECK(process_vm_readv(child, local, 3, remote, 3, 0) == 100 && is_filled(copy, 100, 1));
    fill(copy, 100, 3);
    CHECK(process_vm_writev(child, local, 3, remote, 3, 0) == 100);
    fill(copy, LARGE, 4);
    CHECK(write_one(child, large, copy, LARGE) == LARGE);
    say(talk.down[1]);
    hear(talk.up[0]);
    CHECK(read_one(child, copy, large, LARGE) == LARGE && is_filled(copy, LARGE, 4));
    char last = 77;
    CHECK(write_one(child, small, &last, 1) == 1);
    end(&talk, child);
    CHECK(small[0] == 0 && large[LARGE - 1] == 0);
}

static void with_oneself(void)
{
    fill(small, sizeof(small), 5);
    CHECK(read_one(getpid(), copy, small, 100) == 100 && is_filled(copy, 100, 5));
    fill(copy, 100, 6);
    CHECK(write_one(getpid(), small, copy, 100) == 100 && is_filled(small, 100, 6));
}

static void refused(void)
{
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(munmap(pages + 4096, 4096) == 0);
    char *hole = pages + 4096;
    struct iovec local = {copy, 200}, remote[] = {{small, 100}, {hole, 100}};
    pid_t self = getpid();
    CHECK(process_vm_readv(self, &local, 1, remote, 2, 0) == 100);
    CHECK(read_one(self, copy, hole, 1) == -1 && errno == EFAULT);
    CHECK(write_one(self, hole, copy, 1) == -1 && errno == EFAULT);
    CHECK(read_one(self, hole, copy, 1) == -1 && errno == EFAULT);
    CHECK(process_vm_readv(self, &local, 1, remote, 2, 1) == -1 && errno == EINVAL);
    CHECK(process_vm_readv(self, &local, 2000, remote, 1, 0) == -1 && errno == EINVAL);
    CHECK(process_vm_readv(self, &local, 0, remote, 1, 0) == 0);
    CHECK(process_vm_readv(self, &local, 1, remote, 0, 0) == 0);
    CHECK(read_one(4000000, copy, small, 1) == -1 && errno == ESRCH);
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    siginfo_t info;
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT) == 0);
    CHECK(read_one(child, copy, small, 1) == -1 && errno == ESRCH);
    CHECK(waitpid(child, NULL, 0) == child);
}

static void not_of_root_child(void)
{
    CHECK(setuid(54321) == 0);
    CHECK(read_one(getppid(), copy, small, 1) == -1 && errno == EPERM);
}

static void not_of_root(void)
{
    /* Only root can become somebody who may not. */
    if (getuid() == 0)
        in_child(not_of_root_child);
}

static void orphan(int *ready)
{
    int signal = 0;
    CHECK(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == 0);
    CHECK(prctl(PR_SET_PDEATHSIG, 65) == -1 && errno == EINVAL);
    CHECK(prctl(PR_SET_PDEATHSIG, SIGTERM) == 0);
    CHECK(prctl(PR_GET_PDEATHSIG, &signal) == 0 && signal == SIGTERM);
    say(ready[1]);
    for (;;)
        pause();
}

static void orphans(void)
{
    int ready[2], status, is = 0;
    CHECK(pipe(ready) == 0);
    CHECK(prctl(PR_GET_CHILD_SUBREAPER, &is) == 0 && is == 0);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
    CHECK(prctl(PR_GET_CHILD_SUBREAPER, &is) == 0 && is == 1);
    pid_t child = fork();
    if (child == 0) {
        CHECK(prctl(PR_GET_CHILD_SUBREAPER, &is) == 0 && is == 0);
        if (fork() == 0)
            orphan(ready);
        for (;;)
            pause();
    }
    hear(ready[0]);
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
    CHECK(waitpid(-1, &status, 0) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK(waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

int main(void)
{
    RUN(there_and_back);
    RUN(with_oneself);
    RUN(refused);
    RUN(not_of_root);
    RUN(orphans);
    return 0;
}
