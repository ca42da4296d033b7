/* `fuzz [SEED [SECONDS [PATIENCE]]]`: programs without privileges that make any system call with
   any arguments, one after the other, each for PATIENCE ms at most; beside them a process that must
   go on and get right answers. It is meant for a node, not for the host: whatever the calls do is
   done there. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define NOBODY 65534
#define CALLS 150
#define LAST_CALL 470

static uint64_t state;

static uint64_t draw(void)
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state * 0x9e3779b97f4a7c15u >> 7;
}

static double now(void)
{
    struct timespec at;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
    return at.tv_sec + at.tv_nsec / 1e9;
}

/* The process that runs beside: for each byte it gets, it tries what programs do and answers. */

static void work_beside(void)
{
    char text[64], back[64];
    int file = open("beside", O_RDWR | O_CREAT | O_TRUNC, 0600), ends[2], status;
    CHECK(file >= 0 && pipe(ends) == 0);
    int length = snprintf(text, sizeof text, "%ld %d", (long)getpid(), rand());
    CHECK(pwrite(file, text, length, 100000) == length && pread(file, back, 64, 100000) == length);
    CHECK(memcmp(text, back, length) == 0 && ftruncate(file, 0) == 0 && close(file) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0)
        _exit(write(ends[1], text, length) == length ? 7 : 8);
    CHECK(read(ends[0], back, length) == length && memcmp(text, back, length) == 0);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
    char *memory = malloc(300000);
    CHECK(memory != NULL);
    memset(memory, 0x5a, 300000);
    CHECK(memory[0] == 0x5a && memory[299999] == 0x5a);
    free(memory);
}

static pid_t start_beside(int *question, int *answer)
{
    int ask[2], tell[2];
    CHECK(pipe(ask) == 0 && pipe(tell) == 0);
    pid_t beside = fork();
    CHECK(beside >= 0);
    if (beside == 0) {
        char byte;
        CHECK(close(ask[1]) == 0 && close(tell[0]) == 0);
        while (read(ask[0], &byte, 1) == 1) {
            work_beside();
            byte++;
            CHECK(write(tell[1], &byte, 1) == 1);
        }
        _exit(3);
    }
    CHECK(close(ask[0]) == 0 && close(tell[1]) == 0);
    fcntl(ask[1], F_SETFD, FD_CLOEXEC), fcntl(tell[0], F_SETFD, FD_CLOEXEC);
    *question = ask[1], *answer = tell[0];
    return beside;
}

static void ask_beside(int question, int answer, int round)
{
    char byte = round, back;
    struct pollfd ready = {answer, POLLIN, 0};
    CHECK(write(question, &byte, 1) == 1);
    CHECK(poll(&ready, 1, 300000) == 1 && read(answer, &back, 1) == 1);
    CHECK(back == (char)(byte + 1));
}

/* The hostile ones. */

static char *pages;

/* Descriptors of every kind, from 3 on. */
static void open_all(void)
{
    int ends[2];
    struct sockaddr_un name = {AF_UNIX, "\0fuzz"};
    sigset_t some;
    sigemptyset(&some), sigaddset(&some, SIGUSR1);
    if (pipe(ends) || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) ||
        socketpair(AF_UNIX, SOCK_DGRAM, 0, ends))
        _exit(1);
    int listening = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    bind(listening, (struct sockaddr *)&name, 7), listen(listening, 2);
    socket(AF_INET, SOCK_STREAM, 0), socket(AF_INET, SOCK_DGRAM, 0);
    epoll_create1(0), eventfd(0, 0), timerfd_create(CLOCK_MONOTONIC, 0), signalfd(-1, &some, 0);
    memfd_create("fuzz", MFD_ALLOW_SEALING), inotify_init1(0), syscall(SYS_pidfd_open, getpid(), 0);
    open(".", O_RDONLY), open("/proc/self/maps", O_RDONLY), open("/proc", O_RDONLY);
    open("file", O_RDWR | O_CREAT, 0600), open("/dev/zero", O_RDWR), open("/dev/urandom", O_RDONLY);
    open(".", O_RDWR | O_TMPFILE, 0600), open("/dev/ptmx", O_RDWR), open("/", O_PATH);
}

static void prepare(void)
{
    /* Four kinds of pages beside each other, the first with what calls like to read. */
    pages = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages == MAP_FAILED)
        _exit(1);
    for (int i = 0; i < 4096 / 8; i++)
        ((uint64_t *)pages)[i] = draw() % 3 ? draw() % 64 : draw();
    strcpy(pages + 1024, "file"), strcpy(pages + 1088, "/proc/self/fd/3");
    strcpy(pages + 1152, "new"), strcpy(pages + 1216, ".");
    strcpy(pages + 1280, "/proc/self/mem"), strcpy(pages + 1344, "file/x");
    ((char **)pages)[200] = pages + 1024, ((size_t *)pages)[201] = 100, ((size_t *)pages)[203] = 0;
    mprotect(pages + 8 * 4096, 4096, PROT_READ), mprotect(pages + 10 * 4096, 4096, PROT_NONE);
    munmap(pages + 12 * 4096, 4096);
}

static uint64_t argument(void)
{
    static const uint64_t edges[] = {
        0, 1, 2, 3, 4, 7, 8, 16, 63, 64, 127, 255, 4095, 4096, 4097, 65535, 65536, 1 << 20, 1 << 24,
        INT32_MAX, 1ul << 31, UINT32_MAX, 1ul << 32, INT64_MAX, 1ul << 63, UINT64_MAX, -2, -100,
        -4096, 0x7ffffffff000, 0x7ffffffffff8, 0x800000000000, 0xffff800000000000,
        0xffffffff80000000, 0xdeadbeefdeadbeef};
    switch (draw() % 8) {
    case 0:
        return edges[draw() % (sizeof edges / sizeof *edges)];
    case 1:
    case 2:
        return draw() % 32;
    case 3:
        return (uint64_t)pages + draw() % (16 * 4096);
    case 4:
        return (uint64_t)pages + draw() % 64 * 64;
    case 5:
        return (uint64_t)pages + (1 + draw() % 15) * 4096 - draw() % 17;
    case 6:
        return 1ul << draw() % 64 | draw() % 16;
    default:
        return draw() >> draw() % 60;
    }
}

static long number(void)
{
    switch (draw() % 64) {
    case 0:
        return LAST_CALL + draw() % 200;
    case 1:
        return (long)(draw() << draw() % 8);
    case 2:
        return 0x1000;
    default:
        return draw() % (LAST_CALL + 1);
    }
}

static void attack(uint64_t seed)
{
    struct rlimit files = {1 << 20, 1 << 20}, memory = {48 << 20, 48 << 20}, many = {24, 24};
    state = seed * 0xbf58476d1ce4e5b9u | 1;
    draw(), draw();
    setsid();
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0), dup2(null, 1), dup2(null, 2);
    close_range(3, ~0u, 0);
    setrlimit(RLIMIT_FSIZE, &files), setrlimit(RLIMIT_AS, &memory), setrlimit(RLIMIT_NPROC, &many);
    if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY) || chdir("fuzzed"))
        _exit(1);
    prepare();
    open_all();
    for (int call = 0; call < CALLS; call++) {
        long which = number();
        /* What ends or stops the process by design is for the last of its calls. */
        if (call < CALLS - 20 &&
            (which == SYS_exit || which == SYS_exit_group || which == SYS_pause ||
             which == SYS_rt_sigreturn || which == SYS_rt_sigsuspend))
            continue;
        syscall(which, argument(), argument(), argument(), argument(), argument(), argument());
    }
    _exit(0);
}

/* Ends everybody who is nobody, and waits until nobody is left. */
static void end_all(pid_t beside)
{
    double limit = now() + 300;
    int status;
    while (errno = 0, getpriority(PRIO_USER, NOBODY) != -1 || errno != ESRCH) {
        pid_t killer = fork(), ended;
        CHECK(killer >= 0);
        if (killer == 0)
            _exit(setuid(NOBODY) || kill(-1, SIGKILL));
        CHECK(waitpid(killer, &status, 0) == killer && WIFEXITED(status) && now() < limit);
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0)
            CHECK(ended != beside);
    }
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
    double end = now() + (argc > 2 ? atof(argv[2]) : 3);
    long patience_ms = argc > 3 ? atol(argv[3]) : 60;
    int question, answer, rounds = 0;
    CHECK(mkdir("fuzzed", 0777) == 0 || errno == EEXIST);
    CHECK(chmod("fuzzed", 0777) == 0 && chmod(".", 0755) == 0);
    sigset_t child;
    sigemptyset(&child), sigaddset(&child, SIGCHLD);
    pid_t beside = start_beside(&question, &answer);
    CHECK(sigprocmask(SIG_BLOCK, &child, NULL) == 0);
    for (; now() < end; rounds++) {
        pid_t hostile = fork();
        CHECK(hostile >= 0);
        if (hostile == 0)
            attack(seed + rounds);
        struct timespec patience = {0, patience_ms * 1000000};
        sigtimedwait(&child, NULL, &patience);
        end_all(beside);
        ask_beside(question, answer, rounds);
    }
    int status;
    CHECK(close(question) == 0 && waitpid(beside, &status, 0) == beside);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    fprintf(stderr, "%d programs from seed %lu on\n", rounds, seed);
    puts("ok");
    return 0;
}
