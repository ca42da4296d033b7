/* Locks that outlive their owner (robust), that hold the owner's id (PI), that processes share. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static pthread_mutex_t mutex;

static void make(pthread_mutex_t *made, int robust, int protocol, int shared)
{
    pthread_mutexattr_t attributes;
    CHECK(pthread_mutexattr_init(&attributes) == 0);
    CHECK(pthread_mutexattr_setrobust(&attributes, robust) == 0);
    CHECK(pthread_mutexattr_setprotocol(&attributes, protocol) == 0);
    CHECK(pthread_mutexattr_setpshared(&attributes, shared) == 0);
    CHECK(pthread_mutex_init(made, &attributes) == 0);
}

static void *lock_and_end(void *argument)
{
    CHECK(pthread_mutex_lock(&mutex) == 0);
    if (argument)
        usleep(20000);
    return NULL;
}

static void died_before(int protocol)
{
    pthread_t thread;
    make(&mutex, PTHREAD_MUTEX_ROBUST, protocol, PTHREAD_PROCESS_PRIVATE);
    CHECK(pthread_create(&thread, NULL, lock_and_end, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(pthread_mutex_trylock(&mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_lock(&mutex) == 0 && pthread_mutex_unlock(&mutex) == 0);
}

static void owner_dies_before(void) { died_before(PTHREAD_PRIO_NONE); }
static void pi_owner_dies_before(void) { died_before(PTHREAD_PRIO_INHERIT); }

static void owner_dies_meanwhile(void)
{
    pthread_t thread;
    int result;
    make(&mutex, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_PRIVATE);
    CHECK(pthread_create(&thread, NULL, lock_and_end, &result) == 0);
    do {
        usleep(1000);
        result = pthread_mutex_trylock(&mutex);
        if (result == 0)
            CHECK(pthread_mutex_unlock(&mutex) == 0);
    } while (result == 0);
    CHECK(result == EBUSY ? pthread_mutex_lock(&mutex) == EOWNERDEAD : result == EOWNERDEAD);
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void killed_process(void)
{
    pthread_mutex_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status, ends[2];
    char byte;
    CHECK(shared != MAP_FAILED && pipe(ends) == 0);
    make(shared, PTHREAD_MUTEX_ROBUST, PTHREAD_PRIO_NONE, PTHREAD_PROCESS_SHARED);
    pid_t child = fork();
    if (child == 0) {
        CHECK(pthread_mutex_lock(shared) == 0 && write(ends[1], "x", 1) == 1);
        for (;;)
            pause();
    }
    CHECK(read(ends[0], &byte, 1) == 1 && pthread_mutex_trylock(shared) == EBUSY);
    CHECK(kill(child, SIGKILL) == 0);
    CHECK(pthread_mutex_lock(shared) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(shared) == 0 && pthread_mutex_unlock(shared) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(munmap(shared, 4096) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
}

static int counter;

static void *count(void *argument)
{
    (void)argument;
    for (int i = 0; i < 200; i++) {
        CHECK(pthread_mutex_lock(&mutex) == 0);
        int seen = counter;
        if (i % 16 == 0)
            sched_yield();
        counter = seen + 1;
        CHECK(pthread_mutex_unlock(&mutex) == 0);
    }
    return NULL;
}

static void pi_lock(void)
{
    pthread_t threads[4];
    make(&mutex, PTHREAD_MUTEX_STALLED, PTHREAD_PRIO_INHERIT, PTHREAD_PROCESS_PRIVATE);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, count, NULL) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counter == 800);
}

static long futex(uint32_t *word, int operation, void *timeout)
{
    return syscall(SYS_futex, word, operation, 0, timeout, NULL, 0);
}

static sem_t wanted;

static void *hold(void *word)
{
    CHECK(futex(word, FUTEX_LOCK_PI, NULL) == 0);
    CHECK(sem_wait(&wanted) == 0);
    usleep(50000);
    CHECK(futex(word, FUTEX_UNLOCK_PI, NULL) == 0);
    return NULL;
}

static void pi_errors(void)
{
    static uint32_t word;
    pthread_t thread;
    struct timespec past = {1, 0};
    CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == 0 && word == (uint32_t)gettid());
    CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == -1 && errno == EDEADLK);
    CHECK(futex(&word, FUTEX_TRYLOCK_PI, NULL) == -1 && errno == EDEADLK);
    CHECK(futex(&word, FUTEX_UNLOCK_PI, NULL) == 0 && word == 0);
    CHECK(futex(&word, FUTEX_UNLOCK_PI, NULL) == -1 && errno == EPERM);
    CHECK(futex(&word, FUTEX_TRYLOCK_PI, NULL) == 0);
    CHECK(futex(&word, FUTEX_UNLOCK_PI, NULL) == 0);
    word = 0x3ffffff0;
    CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == -1 && errno == ESRCH);
    word = 0;
    CHECK(sem_init(&wanted, 0, 0) == 0);
    CHECK(pthread_create(&thread, NULL, hold, &word) == 0);
    while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
        usleep(1000);
    CHECK(futex(&word, FUTEX_LOCK_PI, &past) == -1 && errno == ETIMEDOUT);
    CHECK(sem_post(&wanted) == 0);
    CHECK(futex(&word, FUTEX_LOCK_PI, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(futex(&word, FUTEX_UNLOCK_PI, NULL) == 0 && word == 0);
}

static void shared_semaphore(void)
{
    sem_t *semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status;
    CHECK(semaphore != MAP_FAILED && sem_init(semaphore, 1, 0) == 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(10000);
        _exit(sem_post(semaphore));
    }
    CHECK(sem_wait(semaphore) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(munmap(semaphore, 4096) == 0);
}

static void the_list_itself(void)
{
    void *head = NULL;
    size_t size = 0;
    CHECK(syscall(SYS_get_robust_list, 0, &head, &size) == 0 && head && size == 24);
    CHECK(syscall(SYS_set_robust_list, head, 7) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_set_robust_list, head, size) == 0);
    /* A list that leads nowhere harms nobody. */
    pid_t child = fork();
    if (child == 0) {
        CHECK(syscall(SYS_set_robust_list, 8, size) == 0);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(void)
{
    RUN(owner_dies_before);
    RUN(pi_owner_dies_before);
    RUN(owner_dies_meanwhile);
    RUN(killed_process);
    RUN(pi_lock);
    RUN(pi_errors);
    RUN(shared_semaphore);
    RUN(the_list_itself);
    return 0;
}
