/* clone3(2): threads' and children's ways to begin, and what is refused. */
#define _GNU_SOURCE
#include <linux/capability.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static long clone3(struct clone_args *args, size_t size)
{
    return syscall(SYS_clone3, args, size);
}

static void as_fork(void)
{
    int parent = 0, child_tid = 0, status;
    struct clone_args args = {.flags = CLONE_PARENT_SETTID | CLONE_CHILD_SETTID,
                              .parent_tid = (uintptr_t)&parent,
                              .child_tid = (uintptr_t)&child_tid,
                              .exit_signal = SIGCHLD};
    pid_t child = clone3(&args, sizeof args);
    if (child == 0)
        _exit(child_tid == getpid() ? 7 : 8);
    CHECK(child > 0 && parent == child && child_tid == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 7 << 8);
}

static void *itself(void *argument) { return argument; }

static void with_a_descriptor(void)
{
    int fd = -1, status;
    struct clone_args args = {
        .flags = CLONE_PIDFD, .pidfd = (uintptr_t)&fd, .exit_signal = SIGCHLD};
    pid_t child = clone3(&args, sizeof args);
    if (child == 0) {
        usleep(10000);
        _exit(3);
    }
    CHECK(child > 0 && fd >= 0);
    struct pollfd ended = {.fd = fd, .events = POLLIN};
    CHECK(poll(&ended, 1, -1) == 1 && ended.revents == POLLIN);
    CHECK(waitpid(child, &status, 0) == child && status == 3 << 8);
    CHECK(close(fd) == 0);
}

/* The C library makes these with clone3: a child that borrows the memory, and a thread. */
static void as_the_library(void)
{
    char *argv[] = {"clones", "spawned", NULL};
    int status;
    pid_t child;
    pthread_t thread;
    void *result;
    CHECK(posix_spawn(&child, "/proc/self/exe", NULL, NULL, argv, NULL) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 5 << 8);
    CHECK(pthread_create(&thread, NULL, itself, &child) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == &child);
}

static void on_signal(int signal) { (void)signal; }

static void handlers_are_cleared(void)
{
    int status;
    struct clone_args args = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
    struct sigaction action = {.sa_handler = on_signal}, now;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(signal(SIGUSR2, SIG_IGN) != SIG_ERR);
    pid_t child = clone3(&args, sizeof args);
    if (child == 0) {
        CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
        CHECK(sigaction(SIGUSR2, NULL, &now) == 0 && now.sa_handler == SIG_IGN);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(sigaction(SIGUSR1, NULL, &now) == 0 && now.sa_handler == on_signal);
    signal(SIGUSR1, SIG_DFL), signal(SIGUSR2, SIG_DFL);
}

static void refusals(void)
{
    char big[8192];
    struct clone_args args = {.exit_signal = SIGCHLD};
    CHECK(clone3(&args, 8) == -1 && errno == EINVAL);
    CHECK(clone3(&args, sizeof big) == -1 && errno == E2BIG);
    CHECK(clone3((struct clone_args *)8, sizeof args) == -1 && errno == EFAULT);
    memset(big, 1, sizeof big);
    memcpy(big, &args, sizeof args);
    CHECK(clone3((struct clone_args *)big, 256) == -1 && errno == E2BIG);
    args.stack = 4096;
    CHECK(clone3(&args, sizeof args) == -1 && errno == EINVAL);
    args = (struct clone_args){.flags = SIGCHLD};
    CHECK(clone3(&args, sizeof args) == -1 && errno == EINVAL);
    args = (struct clone_args){.flags = CLONE_SIGHAND};
    CHECK(clone3(&args, sizeof args) == -1 && errno == EINVAL);
    args = (struct clone_args){.flags = CLONE_THREAD | CLONE_SIGHAND};
    CHECK(clone3(&args, sizeof args) == -1 && errno == EINVAL);
}

/* Whether who is root here is trusted with ids, too. */
static int may_choose_ids(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    CHECK(syscall(SYS_capget, &header, sets) == 0);
    return sets[0].effective >> CAP_SYS_ADMIN & 1;
}

static void refuses_ids(void *ids, size_t count, int error)
{
    struct clone_args args = {
        .set_tid = (uintptr_t)ids, .set_tid_size = count, .exit_signal = SIGCHLD};
    long result = clone3(&args, sizeof args);
    if (result == 0)
        _exit(1);
    CHECK(result == -1 && errno == error);
}

static void with_a_chosen_id(void)
{
    int status, many[33] = {0}, zero = 0, far = 1 << 30, own = getpid();
    pid_t wanted = fork();
    if (wanted == 0)
        _exit(0);
    CHECK(waitpid(wanted, &status, 0) == wanted);
    refuses_ids(many, 33, EINVAL);
    refuses_ids(NULL, 1, EINVAL);
    refuses_ids(many, 0, EINVAL);
    refuses_ids((void *)8, 1, EFAULT);
    refuses_ids(&zero, 1, EINVAL);
    refuses_ids(&far, 1, EINVAL);
    if (may_choose_ids()) {
        struct clone_args args = {
            .set_tid = (uintptr_t)&wanted, .set_tid_size = 1, .exit_signal = SIGCHLD};
        pid_t child = clone3(&args, sizeof args);
        if (child == 0) {
            CHECK(getpid() == wanted);
            refuses_ids(&own, 1, EEXIST);
            refuses_ids(&wanted, 1, EEXIST);
            _exit(4);
        }
        CHECK(child == wanted);
        CHECK(waitpid(child, &status, 0) == child && status == 4 << 8);
    }
    pid_t child = fork();
    if (child == 0) {
        CHECK(setuid(65534) == 0);
        refuses_ids(&wanted, 1, EPERM);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void as_a_sibling(void)
{
    int status, sum = 0;
    pid_t child = fork();
    if (child == 0) {
        struct clone_args args = {.flags = CLONE_PARENT};
        pid_t parent = getppid(), sibling = clone3(&args, sizeof args);
        if (sibling == 0)
            _exit(getppid() == parent ? 4 : 32);
        CHECK(sibling > 0 && waitpid(sibling, &status, 0) == -1 && errno == ECHILD);
        _exit(1);
    }
    for (int i = 0; i < 2; i++) {
        CHECK(waitpid(-1, &status, 0) > 0 && WIFEXITED(status));
        sum += WEXITSTATUS(status);
    }
    CHECK(sum == 5);
}

static char *move(char *old, size_t size, size_t new_size, int flags)
{
    return (char *)syscall(SYS_mremap, old, size, new_size, flags, NULL);
}

static void left_behind(void)
{
    size_t size = 3 * 4096;
    char *old = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(old != MAP_FAILED);
    old[0] = 1, old[8192] = 3;
    char *new = move(old, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
    CHECK(new != MAP_FAILED && new != old);
    CHECK(new[0] == 1 && new[8192] == 3 && old[0] == 0 && old[8192] == 0);
    old[0] = 9;
    CHECK(new[0] == 1);
    CHECK(move(old, size, 4096, MREMAP_MAYMOVE | MREMAP_DONTUNMAP) == MAP_FAILED &&
          errno == EINVAL);
    CHECK(move(old, size, size, MREMAP_DONTUNMAP) == MAP_FAILED && errno == EINVAL);
    CHECK(munmap(old, size) == 0 && munmap(new, size) == 0);
}

/* A signal without an effect is no less waited for: it comes while the wait lasts. */
static void announced_by_a_signal(void)
{
    sigset_t ends;
    struct timespec moment = {0, 30000000}, patience = {60, 0};
    sigemptyset(&ends), sigaddset(&ends, SIGCHLD);
    CHECK(sigprocmask(SIG_BLOCK, &ends, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            nanosleep(&moment, NULL);
            _exit(0);
        }
        CHECK(sigtimedwait(&ends, NULL, &patience) == SIGCHLD);
        CHECK(waitpid(child, NULL, 0) == child);
    }
    CHECK(sigprocmask(SIG_UNBLOCK, &ends, NULL) == 0);
}

/* Whoever forks may be killed before its child is made, and the child with it: none is left. */
static void killed_while_they_fork(void)
{
    for (int i = 0; i < 12; i++) {
        struct timespec while_they_do = {0, i * 1000000};
        int ends[2];
        char byte;
        CHECK(pipe(ends) == 0);
        pid_t first = fork();
        CHECK(first >= 0);
        if (first == 0) {
            setpgid(0, 0);
            for (int children = 0; children < 10; children++)
                if (fork() == 0)
                    pause();
            pause();
        }
        setpgid(first, first);
        close(ends[1]);
        nanosleep(&while_they_do, NULL);
        CHECK(kill(-first, SIGKILL) == 0);
        CHECK(waitpid(first, NULL, 0) == first);
        /* The last to end closes the pipe. */
        struct pollfd last = {.fd = ends[0], .events = POLLIN};
        CHECK(poll(&last, 1, -1) == 1);
        CHECK(read(ends[0], &byte, 1) == 0);
        close(ends[0]);
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return 5;
    RUN(as_fork);
    RUN(with_a_descriptor);
    RUN(as_the_library);
    RUN(handlers_are_cleared);
    RUN(refusals);
    RUN(with_a_chosen_id);
    RUN(as_a_sibling);
    RUN(left_behind);
    RUN(announced_by_a_signal);
    RUN(killed_while_they_fork);
    /* Nobody's call was interrupted so that this could go on. */
    CHECK(syscall(SYS_restart_syscall) == -1 && errno == EINTR);
    return 0;
}
