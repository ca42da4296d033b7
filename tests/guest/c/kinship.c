/* What clone(2) lets parent and child agree on: the signal of the child's end, and the descriptor
   table and the place in the file system that they share. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

static pid_t cloned(unsigned long flags)
{
    return syscall(SYS_clone, flags, NULL, NULL, NULL, NULL);
}

static void block(int one, int other)
{
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, one), sigaddset(&set, other);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

/* The signal of the two that comes next; 0 if none is there and nobody waits. */
static int next_of(int one, int other, pid_t from, int waits)
{
    sigset_t set;
    siginfo_t info;
    struct timespec patience = {waits ? 60 : 0, 0};
    sigemptyset(&set), sigaddset(&set, one), sigaddset(&set, other);
    int signal = sigtimedwait(&set, &info, &patience);
    CHECK(signal > 0 || (errno == EAGAIN && !waits));
    CHECK(signal < 0 || (info.si_pid == from && info.si_code == CLD_EXITED));
    return signal < 0 ? 0 : signal;
}

static int exit_signal_of(const char *stat)
{
    char text[1024];
    int fd = open(stat, O_RDONLY), field = 2;
    ssize_t length = read(fd, text, sizeof(text) - 1);
    CHECK(length > 0 && close(fd) == 0);
    text[length] = 0;
    char *at = strrchr(text, ')');
    for (; field < 38; field++)
        at = strchr(at + 1, ' ');
    return atoi(at);
}

static void told_by_another_signal(void)
{
    int status;
    siginfo_t info = {0};
    block(SIGCHLD, SIGUSR1);
    pid_t child = cloned(SIGUSR1);
    if (child == 0)
        _exit(exit_signal_of("/proc/self/stat") == SIGUSR1 ? 3 : 4);
    CHECK(child > 0 && next_of(SIGCHLD, SIGUSR1, child, 1) == SIGUSR1);
    CHECK(waitpid(child, &status, 0) == -1 && errno == ECHILD);
    CHECK(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
    CHECK(waitid(P_ALL, 0, &info, WEXITED) == -1 && errno == ECHILD);
    CHECK(waitid(P_PID, child, &info, WEXITED | WNOWAIT | __WCLONE) == 0);
    CHECK(info.si_signo == SIGCHLD && info.si_pid == child && info.si_status == 3);
    CHECK(waitpid(child, &status, __WALL | WNOHANG) == child && status == 3 << 8);

    CHECK(signal(SIGRTMIN, SIG_IGN) != SIG_ERR);
    child = cloned(SIGRTMIN);
    if (child == 0)
        _exit(5);
    CHECK(waitpid(-1, &status, __WCLONE) == child && status == 5 << 8);
    CHECK(next_of(SIGCHLD, SIGUSR1, child, 0) == 0);
    child = fork();
    if (child == 0)
        _exit(exit_signal_of("/proc/thread-self/stat") == SIGCHLD ? 6 : 7);
    CHECK(waitpid(child, &status, __WCLONE) == -1 && errno == ECHILD);
    CHECK(waitpid(child, &status, __WALL | __WNOTHREAD) == child && status == 6 << 8);
    CHECK(next_of(SIGCHLD, SIGUSR1, child, 0) == SIGCHLD);
}

static void told_by_none(void)
{
    int status;
    block(SIGCHLD, SIGUSR1);
    struct clone_args args = {.exit_signal = 0};
    for (int i = 0; i < 2; i++) {
        pid_t child = i == 0 ? cloned(0) : syscall(SYS_clone3, &args, sizeof(args));
        if (child == 0)
            _exit(exit_signal_of("/proc/self/stat"));
        CHECK(child > 0 && waitpid(child, &status, __WCLONE) == child && status == 0);
        CHECK(next_of(SIGCHLD, SIGUSR1, child, 0) == 0);
    }
    /* Who does not care for SIGCHLD still has to collect what ends otherwise. */
    signal(SIGCHLD, SIG_IGN);
    pid_t child = cloned(SIGUSR1);
    if (child == 0)
        _exit(0);
    CHECK(next_of(SIGCHLD, SIGUSR1, child, 1) == SIGUSR1);
    CHECK(waitpid(child, &status, __WALL) == child && status == 0);
    signal(SIGCHLD, SIG_DFL);
    args.exit_signal = 65;
    CHECK(syscall(SYS_clone3, &args, sizeof(args)) == -1 && errno == EINVAL);
}

static void stops_are_told_by_sigchld(void)
{
    int status;
    block(SIGCHLD, SIGUSR1);
    pid_t child = cloned(SIGUSR1);
    if (child == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    CHECK(waitpid(child, &status, __WALL | WUNTRACED) == child && WIFSTOPPED(status));
    siginfo_t info;
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGCHLD);
    CHECK(sigwaitinfo(&set, &info) == SIGCHLD && info.si_code == CLD_STOPPED);
    CHECK(kill(child, SIGCONT) == 0);
    CHECK(sigwaitinfo(&set, &info) == SIGCHLD && info.si_code == CLD_CONTINUED);
    CHECK(next_of(SIGUSR1, SIGUSR1, child, 1) == SIGUSR1);
    CHECK(waitpid(child, &status, __WALL) == child && status == 0);
}

/* Other programs and other parents get SIGCHLD: they have not asked for anything else. */
static void forgotten_agreements(void)
{
    int status, ends[2];
    block(SIGCHLD, SIGUSR1);
    pid_t child = cloned(SIGUSR1);
    if (child == 0)
        execl("/proc/self/exe", "kinship", "ends", NULL), _exit(1);
    CHECK(next_of(SIGCHLD, SIGUSR1, child, 1) == SIGCHLD);
    CHECK(waitpid(child, &status, 0) == child && status == 9 << 8);

    child = fork();
    if (child == 0) {
        CHECK(pipe(ends) == 0);
        pid_t clone = cloned(SIGUSR1);
        if (clone == 0)
            _exit(read(ends[0], &status, 1) == 1 ? 0 : 1);
        char words[3][16];
        sprintf(words[0], "%d", ends[1]), sprintf(words[1], "%d", clone);
        execl("/proc/self/exe", "kinship", "parent", words[0], words[1], NULL);
        _exit(1);
    }
    CHECK(next_of(SIGCHLD, SIGUSR1, child, 1) == SIGCHLD);
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && pipe(ends) == 0);
    child = fork();
    if (child == 0) {
        pid_t clone = cloned(SIGUSR1);
        if (clone == 0) {
            close(ends[1]);
            _exit(read(ends[0], &status, 1) == 0 ? 8 : 1);
        }
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(next_of(SIGCHLD, SIGUSR1, child, 1) == SIGCHLD && close(ends[1]) == 0);
    pid_t orphan = waitpid(-1, &status, 0);
    CHECK(orphan > 0 && status == 8 << 8 && close(ends[0]) == 0);
    CHECK(next_of(SIGCHLD, SIGUSR1, orphan, 1) == SIGCHLD);
    CHECK(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

/* The program that a parent has become, whose child was to tell of its end by SIGUSR1. */
static int parent(char **words)
{
    int status;
    pid_t clone = atoi(words[1]);
    CHECK(write(atoi(words[0]), "x", 1) == 1);
    CHECK(next_of(SIGCHLD, SIGUSR1, clone, 1) == SIGCHLD);
    CHECK(waitpid(clone, &status, __WCLONE) == clone && status == 0);
    return 0;
}

static int is_open(int fd) { return fcntl(fd, F_GETFD) >= 0; }

static void wait_for(pid_t child)
{
    int status;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void one_table(void)
{
    int ends[2], other[2];
    CHECK(pipe(ends) == 0);
    pid_t child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0)
        _exit(close(ends[0]) != 0 || pipe(other) != 0 || dup2(other[1], 100) != 100);
    wait_for(child);
    /* The read end's number was the lowest free one; what the child has opened outlives it. */
    CHECK(is_open(ends[0]) && is_open(ends[1]) && is_open(100));
    CHECK(write(100, "x", 1) == 1 && read(ends[0], other, 1) == 1);
    CHECK(close(100) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
    CHECK(close(ends[1] + 1) == 0);

    /* A copy of the copy is one's own. */
    child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0) {
        wait_for(fork() ?: (close(0), _exit(is_open(0)), 1));
        _exit(!is_open(0));
    }
    wait_for(child);
    CHECK(is_open(0));
}

static void tables_apart(void)
{
    pid_t child;
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    /* By execve: the child's table is a copy without what was to be closed. */
    child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0) {
        char word[16];
        sprintf(word, "%d", ends[0]);
        execl("/proc/self/exe", "kinship", "closed", word, NULL), _exit(1);
    }
    wait_for(child);
    CHECK(is_open(ends[0]) && is_open(ends[1]));
    /* By unshare and by close_range. */
    child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0)
        _exit(unshare(CLONE_FILES) != 0 || close(ends[0]) != 0 || is_open(ends[0]));
    wait_for(child);
    CHECK(is_open(ends[0]));
    child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0)
        _exit(syscall(SYS_close_range, ends[0], ~0U, CLOSE_RANGE_UNSHARE) != 0 ||
              is_open(ends[0]));
    wait_for(child);
    CHECK(is_open(ends[0]) && is_open(ends[1]));
    child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0)
        _exit(syscall(SYS_close_range, ends[0], ends[1], 0) != 0);
    wait_for(child);
    CHECK(!is_open(ends[0]) && !is_open(ends[1]));
}

/* Record locks belong to the table; who has set one is told. */
static void one_owner_of_locks(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_len = 10}, seen = lock;
    int fd = open("locked", O_CREAT | O_RDWR, 0600), status;
    CHECK(fd >= 0);
    pid_t child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0)
        _exit(fcntl(fd, F_SETLK, &lock) != 0);
    wait_for(child);
    CHECK(fcntl(fd, F_GETLK, &seen) == 0 && seen.l_type == F_UNLCK);
    pid_t other = fork();
    if (other == 0) {
        seen = lock;
        CHECK(fcntl(fd, F_GETLK, &seen) == 0 && seen.l_type == F_WRLCK && seen.l_pid == child);
        _exit(fcntl(fd, F_SETLK, &lock) != -1);
    }
    CHECK(waitpid(other, &status, 0) == other && status == 0);
    child = cloned(CLONE_FILES | SIGCHLD);
    if (child == 0)
        _exit(close(dup(fd)) != 0);
    wait_for(child);
    other = fork();
    if (other == 0)
        _exit(fcntl(fd, F_SETLK, &lock) != 0);
    wait_for(other);
    /* What execve closes is closed like anything else. */
    child = fork();
    if (child == 0) {
        CHECK(fcntl(fd, F_SETLK, &lock) == 0 && fcntl(fd, F_DUPFD_CLOEXEC, 0) > fd);
        execl("/proc/self/exe", "kinship", "unlocked", NULL), _exit(1);
    }
    wait_for(child);
    CHECK(close(fd) == 0 && unlink("locked") == 0);
}

/* Nobody reads an end before the last who shares the table is gone. */
static void ends_with_the_last(void)
{
    int ends[2], hold[2];
    char byte;
    CHECK(pipe(ends) == 0 && pipe(hold) == 0);
    pid_t first = fork();
    if (first == 0) {
        close(ends[0]), close(hold[1]);
        if (cloned(CLONE_FILES | SIGCHLD) == 0)
            _exit(read(hold[0], &byte, 1) != 0 || write(ends[1], "y", 1) != 1);
        _exit(write(ends[1], "x", 1) != 1);
    }
    close(ends[1]), close(hold[0]);
    wait_for(first);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    CHECK(close(hold[1]) == 0 && read(ends[0], &byte, 1) == 1 && byte == 'y');
    CHECK(read(ends[0], &byte, 1) == 0 && close(ends[0]) == 0);
}

static int is_in(const char *name)
{
    char path[4096];
    return getcwd(path, sizeof(path)) != NULL && strcmp(strrchr(path, '/') + 1, name) == 0;
}

static void one_place(void)
{
    mode_t before = umask(022);
    CHECK(mkdir("there", 0755) == 0 && mkdir("there/below", 0755) == 0);
    pid_t child = cloned(CLONE_FS | SIGCHLD);
    if (child == 0)
        _exit(chdir("there") != 0 || umask(077) != 022);
    wait_for(child);
    CHECK(is_in("there") && umask(077) == 077);
    child = cloned(CLONE_FS | SIGCHLD);
    if (child == 0)
        _exit(unshare(CLONE_FS) != 0 || chdir("below") != 0 || umask(0) != 077);
    wait_for(child);
    CHECK(is_in("there") && umask(077) == 077);
    child = fork();
    if (child == 0)
        _exit(chdir("below") != 0 || umask(0) != 077);
    wait_for(child);
    CHECK(is_in("there") && umask(022) == 077);
    /* A program stays in the place that it shares. */
    child = cloned(CLONE_FS | SIGCHLD);
    if (child == 0)
        execl("/proc/self/exe", "kinship", "goes", "below", NULL), _exit(1);
    wait_for(child);
    CHECK(is_in("below") && chdir("../..") == 0);
    CHECK(rmdir("there/below") == 0 && rmdir("there") == 0);
    umask(before);
}

static int borrower(void *ends)
{
    close(((int *)ends)[0]);
    _exit(chdir("/proc") != 0);
}

/* With the memory, as long as the child borrows it; and without it, but waited for all the same. */
static void with_vfork(void)
{
    static char stack[65536] __attribute__((aligned(16)));
    int ends[2], here = open(".", O_PATH);
    char byte;
    CHECK(here >= 0 && pipe2(ends, O_NONBLOCK) == 0);
    int flags = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS | SIGCHLD;
    wait_for(clone(borrower, stack + sizeof(stack), flags, ends));
    CHECK(!is_open(ends[0]) && is_in("proc") && fchdir(here) == 0 && close(ends[1]) == 0);
    CHECK(pipe2(ends, O_NONBLOCK) == 0);
    pid_t child = cloned(CLONE_VFORK | SIGCHLD);
    if (child == 0) {
        struct timespec moment = {0, 30000000};
        nanosleep(&moment, NULL);
        _exit(write(ends[1], "x", 1) != 1);
    }
    CHECK(read(ends[0], &byte, 1) == 1);
    wait_for(child);
    CHECK(close(ends[0]) == 0 && close(ends[1]) == 0 && close(here) == 0);
}

static void into_a_group(void)
{
    struct clone_args args = {.flags = CLONE_INTO_CGROUP, .cgroup = 999, .exit_signal = SIGCHLD};
    CHECK(syscall(SYS_clone3, &args, sizeof(args)) == -1 && errno == EBADF);
    args.cgroup = open(".", O_PATH);
    CHECK(syscall(SYS_clone3, &args, sizeof(args)) == -1 && errno == EBADF);
    CHECK(close(args.cgroup) == 0);
    args.cgroup = 1UL << 31;
    CHECK(syscall(SYS_clone3, &args, sizeof(args)) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_clone3, &args, CLONE_ARGS_SIZE_VER1) == -1 && errno == EINVAL);
}

static void can_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_len = 10};
    int fd = open("locked", O_RDWR);
    CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && close(fd) == 0);
}

static int as_program(char **words)
{
    if (strcmp(words[1], "parent") == 0)
        return parent(words + 2);
    if (strcmp(words[1], "closed") == 0)
        return is_open(atoi(words[2]));
    if (strcmp(words[1], "unlocked") == 0)
        return in_child(can_lock), 0;
    if (strcmp(words[1], "goes") == 0)
        return chdir(words[2]) != 0;
    return 9;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return as_program(argv);
    RUN(told_by_another_signal);
    RUN(told_by_none);
    RUN(stops_are_told_by_sigchld);
    RUN(forgotten_agreements);
    RUN(one_table);
    RUN(tables_apart);
    RUN(one_owner_of_locks);
    RUN(ends_with_the_last);
    RUN(one_place);
    RUN(with_vfork);
    RUN(into_a_group);
    return 0;
}
