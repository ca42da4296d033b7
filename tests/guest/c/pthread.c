/*
 * Threads as the C library makes them: cancellation, keys, once, timed waits, barriers and the
 * thread-local variables of the compiler.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "check.h"

static __thread int local = 3;
static __thread char local_zeroed[5000];

static void *use_locals(void *argument)
{
    CHECK(local == 3 && local_zeroed[4999] == 0);
    local = *(int *)argument;
    local_zeroed[4999] = 1;
    for (int i = 0; i < 50; i++) {
        sched_yield();
        CHECK(local == *(int *)argument);
    }
    return &local;
}

static void compiler_locals(void)
{
    pthread_t threads[4];
    int numbers[4] = {10, 11, 12, 13};
    void *places[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, use_locals, &numbers[i]) == 0);
    for (int i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], &places[i]) == 0);
        CHECK(places[i] != &local);
    }
    CHECK(local == 3 && local_zeroed[4999] == 0);
}

static pthread_key_t key;
static int destroyed;

static void destroy(void *value)
{
    CHECK(*(int *)value == 5);
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_SEQ_CST);
}

static void *use_key(void *value)
{
    CHECK(pthread_getspecific(key) == NULL);
    CHECK(pthread_setspecific(key, value) == 0);
    pthread_exit(value);
}

static void keys(void)
{
    pthread_t thread;
    int five = 5;
    void *result;
    CHECK(pthread_key_create(&key, destroy) == 0);
    CHECK(pthread_create(&thread, NULL, use_key, &five) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == &five);
    CHECK(destroyed == 1);
}

static int cleaned;

static void clean(void *argument) { cleaned += *(int *)argument; }

static void *sleep_for_ever(void *argument)
{
    pthread_cleanup_push(clean, argument);
    for (;;)
        pause();
    pthread_cleanup_pop(0);
    return NULL;
}

/* Cancellation is a signal to one thread in the middle of a call. */
static void cancellation(void)
{
    pthread_t thread;
    int one = 1;
    void *result;
    struct timespec moment = {0, 10 * 1000 * 1000};
    CHECK(pthread_create(&thread, NULL, sleep_for_ever, &one) == 0);
    nanosleep(&moment, NULL);
    CHECK(pthread_cancel(thread) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    CHECK(cleaned == 1);
}

static void timed_waits(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec before, until, after;
    clock_gettime(CLOCK_REALTIME, &before);
    until = before;
    until.tv_nsec += 30 * 1000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    clock_gettime(CLOCK_REALTIME, &after);
    CHECK(after.tv_sec > until.tv_sec
          || (after.tv_sec == until.tv_sec && after.tv_nsec >= until.tv_nsec));
    sem_t semaphore;
    CHECK(sem_init(&semaphore, 0, 1) == 0);
    CHECK(sem_wait(&semaphore) == 0);
    CHECK(sem_timedwait(&semaphore, &until) == -1 && errno == ETIMEDOUT);
}

static pthread_barrier_t barrier;

static void *meet(void *argument)
{
    long leaders = 0;
    (void)argument;
    for (int i = 0; i < 20; i++)
        leaders += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
    return (void *)leaders;
}

static void barriers(void)
{
    pthread_t threads[3];
    long leaders = 0;
    void *result;
    CHECK(pthread_barrier_init(&barrier, NULL, 3) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, meet, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_join(threads[i], &result) == 0);
        leaders += (long)result;
    }
    CHECK(leaders == 20);
}

static void *nothing(void *argument) { return argument; }

/* A detached thread's stack is given back without a join: two thousand would not fit. */
static void detached_threads(void)
{
    pthread_attr_t detached;
    pthread_t thread;
    CHECK(pthread_attr_init(&detached) == 0);
    CHECK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED) == 0);
    CHECK(pthread_attr_setstacksize(&detached, 256 * 1024) == 0);
    for (int i = 0; i < 500; i++) {
        int error = pthread_create(&thread, &detached, nothing, NULL);
        while (error == EAGAIN) {
            sched_yield();
            error = pthread_create(&thread, &detached, nothing, NULL);
        }
        CHECK(error == 0);
    }
}

int main(void)
{
    RUN(compiler_locals);
    RUN(keys);
    RUN(cancellation);
    RUN(timed_waits);
    RUN(barriers);
    RUN(detached_threads);
    return 0;
}
