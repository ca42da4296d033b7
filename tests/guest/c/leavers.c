/* Children that end while somebody else sends them to another node: in the middle of a move, or
   with the memory of a body that no move may find any more. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include "check.h"

#define MEMORY (1L << 20)
#define CHILDREN 30

static void touch(void)
{
    char *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    for (long at = 0; at < MEMORY; at += 4096)
        memory[at] = 1;
}

/* What a process is told by where to go. There is no such thing on Linux. */
static int goto_of(const char *process)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%s/goto", process);
    return open(path, O_WRONLY | O_CLOEXEC);
}

/* Tells a process to go to a node, which it cannot once it has ended. */
static void tell(int to, const char *node)
{
    if (to >= 0) {
        (void)!write(to, node, 1);
        CHECK(close(to) == 0);
    }
}

/* Time that passes without a call that home hears of. */
static void wait_here(long microseconds)
{
    struct timespec from, now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &from) == 0);
    do
        CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    while ((now.tv_sec - from.tv_sec) * 1000000 + (now.tv_nsec - from.tv_nsec) / 1000
           < microseconds);
}

/* Has a child at home end at about the time when it is told, from elsewhere, to go. */
static void leave(long microseconds, const char *node)
{
    int ends[2], status;
    char byte, name[12];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    tell(goto_of("self"), "1");
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        touch();
        CHECK(write(ends[1], "r", 1) == 1);
        CHECK(read(ends[1], &byte, 1) == 1);
        wait_here(1000);
        _exit(5);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    snprintf(name, sizeof name, "%d", child);
    int to = goto_of(name);
    tell(goto_of("self"), "2");
    CHECK(write(ends[0], "e", 1) == 1);
    wait_here(microseconds);
    tell(to, node);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 5);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
}

static void end_at_any_time(void)
{
    for (int i = 0; i < CHILDREN; i++)
        leave(900 + i * 20, i % 2 == 0 ? "2" : "3");
}

int main(void)
{
    RUN(end_at_any_time);
    return 0;
}
