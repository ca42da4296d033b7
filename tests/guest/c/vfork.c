/*
 * vfork(2): the child borrows its parent's memory and stack until it executes or exits, and its
 * parent stands still meanwhile. Run again as "vfork image STATUS", it exits with that status.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile int shared;

static int status_of(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

static void child_writes_to_its_parents_memory(void)
{
    shared = 1;
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        shared = 2;
        _exit(5);
    }
    CHECK(shared == 2);
    CHECK(WEXITSTATUS(status_of(child)) == 5);
}

static void parent_waits(void)
{
    struct timespec delay = {0, 50 * 1000 * 1000}, before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        nanosleep(&delay, NULL);
        _exit(0);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    long seconds = after.tv_sec - before.tv_sec;
    CHECK(seconds * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 49);
    CHECK(status_of(child) == 0);
}

static void exec_lets_the_parent_go(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[0], 0);
        execl("/proc/self/exe", "vfork", "read", (char *)NULL);
        _exit(99);
    }
    /* The parent runs again although the child still waits for this byte. */
    CHECK(write(ends[1], "*", 1) == 1);
    CHECK(WEXITSTATUS(status_of(child)) == '*');
    close(ends[0]);
    close(ends[1]);
}

static void failed_exec_tells_by_memory(void)
{
    shared = 0;
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        execl("/no/such/program", "x", (char *)NULL);
        shared = errno;
        _exit(1);
    }
    CHECK(shared == ENOENT);
    CHECK(WEXITSTATUS(status_of(child)) == 1);
}

static void descriptors_are_the_childs_own(void)
{
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        close(1);
        _exit(0);
    }
    CHECK(status_of(child) == 0);
    CHECK(fcntl(1, F_GETFD) != -1);
}

static void killed_child_lets_the_parent_go(void)
{
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        kill(getpid(), SIGKILL);
        _exit(0);
    }
    CHECK(WTERMSIG(status_of(child)) == SIGKILL);
}

static void chain_of_children(void)
{
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        pid_t grandchild = vfork();
        if (grandchild == 0)
            execl("/proc/self/exe", "vfork", "image", "21", (char *)NULL);
        int status = 0;
        waitpid(grandchild, &status, 0);
        _exit(WEXITSTATUS(status) + 1);
    }
    CHECK(WEXITSTATUS(status_of(child)) == 22);
}

static void spawned_a_hundred_times(void)
{
    for (int i = 0; i < 100; i++) {
        pid_t child = vfork();
        CHECK(child >= 0);
        if (child == 0)
            _exit(i);
        CHECK(WEXITSTATUS(status_of(child)) == i);
    }
}

/* What would bring the memory home, if it were away: it is the parent's, which cannot come. */
static void child_detaches_what_is_not_there(void)
{
    pid_t child = vfork();
    CHECK(child >= 0);
    if (child == 0) {
        for (int calls = 0; calls < 8; calls++)
            getpgid(0);
        errno = 0;
        shmdt((void *)4096);
        shared = errno;
        _exit(0);
    }
    CHECK(shared == EINVAL);
    CHECK(status_of(child) == 0);
}

static void *calls_until_done(void *done)
{
    while (!*(volatile int *)done)
        getppid();
    return NULL;
}

/* What the other thread calls has the process moved, if it roams: not while it lends its memory. */
static void spawned_beside_a_thread_that_calls(void)
{
    static volatile int done;
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, calls_until_done, (void *)&done) == 0);
    for (int i = 0; i < 20; i++) {
        pid_t child = vfork();
        CHECK(child >= 0);
        if (child == 0) {
            for (int calls = 0; calls < 5; calls++)
                getpgid(0);
            shared = i;
            _exit(i);
        }
        CHECK(shared == i);
        CHECK(WEXITSTATUS(status_of(child)) == i);
    }
    done = 1;
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "image") == 0)
        return atoi(argv[2]);
    if (argc == 2 && strcmp(argv[1], "read") == 0)
        return getchar();
    RUN(child_writes_to_its_parents_memory);
    RUN(parent_waits);
    RUN(exec_lets_the_parent_go);
    RUN(failed_exec_tells_by_memory);
    RUN(descriptors_are_the_childs_own);
    RUN(killed_child_lets_the_parent_go);
    RUN(chain_of_children);
    RUN(spawned_a_hundred_times);
    RUN(child_detaches_what_is_not_there);
    RUN(spawned_beside_a_thread_that_calls);
    return 0;
}
