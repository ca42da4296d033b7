/* futex(2) itself: waiting on several words at once, and waiters that are handed over to a lock. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define WORDS 3

static uint32_t own[WORDS];

static long futex(uint32_t *word, int operation, uint32_t value, uintptr_t timeout, uint32_t *other,
                  uint32_t expected)
{
    return syscall(SYS_futex, word, operation, value, timeout, other, expected);
}

static void describe(struct futex_waitv *waiters, uint32_t *words, uint32_t flags)
{
    for (int i = 0; i < WORDS; i++)
        waiters[i] = (struct futex_waitv){.uaddr = (uintptr_t)&words[i], .flags = FUTEX_32 | flags};
}

static long wait_any(struct futex_waitv *waiters, unsigned count, struct timespec *until, int clock)
{
    return syscall(SYS_futex_waitv, waiters, count, 0, until, clock);
}

static struct timespec in_ms(int clock, long ms)
{
    struct timespec at;
    CHECK(clock_gettime(clock, &at) == 0);
    at.tv_nsec += ms * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

/* Wakes until somebody was there: a wait that is moved may be out of its queue for a moment. */
static void wake_one(uint32_t *word, int operation)
{
    while (futex(word, operation, 1, 0, NULL, 0) != 1)
        usleep(1000);
}

static void *wait_for_any(void *index)
{
    struct futex_waitv waiters[WORDS];
    describe(waiters, own, FUTEX_PRIVATE_FLAG);
    *(long *)index = wait_any(waiters, WORDS, NULL, 0);
    return NULL;
}

static void any_word_wakes(void)
{
    for (int i = 0; i < WORDS; i++) {
        pthread_t thread;
        long index = -2;
        CHECK(pthread_create(&thread, NULL, wait_for_any, &index) == 0);
        wake_one(&own[i], FUTEX_WAKE_PRIVATE);
        CHECK(pthread_join(thread, NULL) == 0 && index == i);
        /* It is in no queue any more. */
        for (int other = 0; other < WORDS; other++)
            CHECK(futex(&own[other], FUTEX_WAKE_PRIVATE, 1, 0, NULL, 0) == 0);
    }
}

static void shared_words(void)
{
    uint32_t *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct futex_waitv waiters[WORDS];
    int status;
    CHECK(words != MAP_FAILED);
    describe(waiters, words, 0);
    waiters[0].uaddr = (uintptr_t)own, waiters[0].flags |= FUTEX_PRIVATE_FLAG;
    pid_t child = fork();
    if (child == 0)
        _exit(wait_any(waiters, WORDS, NULL, 0));
    usleep(20000);
    wake_one(&words[2], FUTEX_WAKE);
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 2);
    CHECK(munmap(words, 4096) == 0);
}

static void time_runs_out(void)
{
    struct futex_waitv waiters[WORDS];
    int clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    describe(waiters, own, FUTEX_PRIVATE_FLAG);
    for (int i = 0; i < 2; i++) {
        struct timespec past = {1, 0}, soon = in_ms(clocks[i], 30), now;
        CHECK(wait_any(waiters, WORDS, &past, clocks[i]) == -1 && errno == ETIMEDOUT);
        CHECK(wait_any(waiters, WORDS, &soon, clocks[i]) == -1 && errno == ETIMEDOUT);
        CHECK(clock_gettime(clocks[i], &now) == 0);
        CHECK(now.tv_sec > soon.tv_sec
              || (now.tv_sec == soon.tv_sec && now.tv_nsec >= soon.tv_nsec));
    }
}

static void caught(int signal) { (void)signal; }

static void a_handler_runs(void)
{
    struct futex_waitv waiters[WORDS];
    struct sigaction action = {.sa_handler = caught};
    struct timespec soon;
    timer_t timer;
    /* Again and again: the wait may begin later than it fires first. */
    struct itimerspec fires = {{0, 30000000}, {0, 30000000}};
    CHECK(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0);
    describe(waiters, own, FUTEX_PRIVATE_FLAG);
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(timer_settime(timer, 0, &fires, NULL) == 0);
    CHECK(wait_any(waiters, WORDS, NULL, 0) == -1 && errno == EINTR);
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    soon = in_ms(CLOCK_MONOTONIC, 100);
    CHECK(timer_settime(timer, 0, &fires, NULL) == 0);
    CHECK(wait_any(waiters, WORDS, &soon, CLOCK_MONOTONIC) == -1 && errno == ETIMEDOUT);
    CHECK(timer_delete(timer) == 0);
}

static void refuses(struct futex_waitv *waiters, unsigned count, int error)
{
    CHECK(wait_any(waiters, count, NULL, 0) == -1 && errno == error);
}

static void waitv_errors(void)
{
    static struct futex_waitv many[129];
    struct futex_waitv waiters[WORDS];
    struct timespec past = {1, 0}, none = {0, -1};
    for (int i = 0; i < 129; i++)
        many[i] = (struct futex_waitv){.uaddr = (uintptr_t)own, .flags = FUTEX_32};
    describe(waiters, own, 0);
    refuses(waiters, 0, EINVAL);
    refuses(many, 129, EINVAL);
    CHECK(wait_any(many, 128, &past, CLOCK_MONOTONIC) == -1 && errno == ETIMEDOUT);
    refuses(NULL, 1, EINVAL);
    refuses((void *)8, 1, EFAULT);
    CHECK(wait_any(waiters, 1, &past, CLOCK_BOOTTIME) == -1 && errno == EINVAL);
    CHECK(wait_any(waiters, 1, &none, CLOCK_REALTIME) == -1 && errno == EINVAL);
    CHECK(wait_any(waiters, 1, (void *)8, CLOCK_REALTIME) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_futex_waitv, waiters, 1, 1, NULL, 0) == -1 && errno == EINVAL);
    waiters[1].val = 7;
    refuses(waiters, WORDS, EAGAIN);
    waiters[1].val = 1ull << 32;
    refuses(waiters, WORDS, EINVAL);
    waiters[1].val = 0, waiters[1].__reserved = 1;
    refuses(waiters, WORDS, EINVAL);
    waiters[1].__reserved = 0, waiters[1].flags = 0x1000 | FUTEX_32;
    refuses(waiters, WORDS, EINVAL);
    waiters[1].flags = FUTEX_32, waiters[1].uaddr += 2;
    refuses(waiters, WORDS, EINVAL);
    waiters[1].uaddr = 8;
    refuses(waiters, WORDS, EFAULT);
}

/* A condition variable as FUTEX_WAIT_REQUEUE_PI makes it: who returns has the lock. */

static uint32_t condition, lock;
static int waiting, handed;

static void *wait_for_condition(void *unused)
{
    (void)unused;
    CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, 0, NULL, 0) == 0);
    waiting++;
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, NULL, 0) == 0);
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI_PRIVATE, 0, 0, &lock, 0) == 0);
    CHECK((lock & FUTEX_TID_MASK) == (uint32_t)gettid());
    handed++;
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, NULL, 0) == 0);
    return NULL;
}

static void handed_over(int holds_lock)
{
    pthread_t threads[4];
    waiting = handed = 0;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, wait_for_condition, NULL) == 0);
    for (int moved = 0; moved < 4;) {
        if (holds_lock)
            CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, 0, NULL, 0) == 0);
        int all = waiting == 4;
        /* One first, then whoever is there. */
        long now = futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, moved ? 9 : 0, &lock, 0);
        CHECK(now >= 0 && now <= 4 - moved && (moved || now <= 1) && (all || now <= waiting));
        moved += now;
        /* They may be moved while they wait for the lock, too. */
        for (int i = 0; holds_lock && i < 10; i++)
            usleep(1000);
        if (holds_lock)
            CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, NULL, 0) == 0);
        usleep(1000);
    }
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(handed == 4 && lock == 0);
}

static void requeue_to_a_free_lock(void) { handed_over(0); }
static void requeue_to_a_held_lock(void) { handed_over(1); }

static void requeue_errors(void)
{
    struct timespec past = {1, 0};
    uintptr_t until = (uintptr_t)&past;
    CHECK(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, 0, &lock, 1) == -1 && errno == EAGAIN);
    CHECK(futex(&condition, FUTEX_CMP_REQUEUE_PI, 2, 0, &lock, 0) == -1 && errno == EINVAL);
    CHECK(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, 0, &condition, 0) == -1 && errno == EINVAL);
    CHECK(futex(&condition, FUTEX_CMP_REQUEUE_PI, 1, 9, &lock, 0) == 0 && lock == 0);
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 1, until, &lock, 0) == -1 && errno == EAGAIN);
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, until, &condition, 0) == -1
          && errno == EINVAL);
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI, 0, until, &lock, 0) == -1
          && errno == ETIMEDOUT);
    CHECK(futex(&condition, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 0, until, &lock, 0) == -1
          && errno == ETIMEDOUT);
    CHECK(lock == 0);
}

/* Who waits for a lock is woken by nothing else. They may be out of the queue for a moment. */
static void refuses_to_wake(uint32_t *word, int operation, uint32_t *other, uint32_t expected)
{
    long result;
    while ((result = futex(word, operation, 1, 1, other, expected)) == 0)
        usleep(1000);
    CHECK(result == -1 && errno == EINVAL);
}

static void only_as_was_meant(void)
{
    pthread_t thread;
    uint32_t other = 0, op = FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0);
    waiting = handed = 0;
    CHECK(pthread_create(&thread, NULL, wait_for_condition, NULL) == 0);
    refuses_to_wake(&condition, FUTEX_WAKE_PRIVATE, NULL, 0);
    refuses_to_wake(&condition, FUTEX_WAKE_BITSET_PRIVATE, NULL, 4);
    refuses_to_wake(&condition, FUTEX_REQUEUE_PRIVATE, &other, 0);
    refuses_to_wake(&condition, FUTEX_CMP_REQUEUE_PRIVATE, &other, 0);
    refuses_to_wake(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, &other, 0);
    refuses_to_wake(&condition, FUTEX_WAKE_OP_PRIVATE, &other, op);
    CHECK(futex(&lock, FUTEX_LOCK_PI_PRIVATE, 0, 0, NULL, 0) == 0);
    while (futex(&condition, FUTEX_CMP_REQUEUE_PI_PRIVATE, 1, 0, &lock, 0) == 0)
        usleep(1000);
    refuses_to_wake(&lock, FUTEX_WAKE_PRIVATE, NULL, 0);
    refuses_to_wake(&lock, FUTEX_REQUEUE_PRIVATE, &other, 0);
    CHECK(futex(&lock, FUTEX_UNLOCK_PI_PRIVATE, 0, 0, NULL, 0) == 0);
    CHECK(pthread_join(thread, NULL) == 0 && handed == 1 && lock == 0 && other == 0);
}

static void answers(uint32_t *word, int operation, uint32_t value, long result)
{
    struct timespec past = {0, 1};
    long got = futex(word, operation, value, (uintptr_t)&past, &own[1], 0);
    CHECK((got == -1 ? -errno : got) == result);
}

/* What is checked first, and what is left where a lock's owner is not to be found. */
static void small_print(void)
{
    uint32_t *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint32_t *odd = (uint32_t *)((char *)own + 1), *kernels = (uint32_t *)(1UL << 63);
    CHECK(page != MAP_FAILED);
    answers(own, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 0, -ENOSYS);
    answers(own, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, -ENOSYS);
    answers(own, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, -ENOSYS);
    answers(odd, 99, 0, -ENOSYS);
    answers(odd, FUTEX_WAKE, 1, -EINVAL);
    answers(kernels, FUTEX_WAKE_PRIVATE, 1, -EFAULT);
    answers((uint32_t *)8, FUTEX_WAKE_PRIVATE, 1, 0);
    answers(page, FUTEX_WAKE, 1, -EFAULT);
    answers(page, FUTEX_WAIT, 1, -EFAULT);
    CHECK(futex(own, FUTEX_CMP_REQUEUE, -1, 1, &own[1], 7) == -1 && errno == EINVAL);
    CHECK(futex(own, FUTEX_CMP_REQUEUE_PI, 1, 1, page, 0) == -1 && errno == EFAULT);
    for (int retries = 0; retries < 2; retries++) {
        lock = 0x3ffffffe;
        answers(&lock, retries ? FUTEX_TRYLOCK_PI : FUTEX_LOCK_PI, 0, -ESRCH);
        CHECK(lock == (0x3ffffffe | FUTEX_WAITERS));
    }
    lock = 0;
    uint32_t word = 5, less = FUTEX_OP(FUTEX_OP_ADD, -1, FUTEX_OP_CMP_EQ, 5);
    CHECK(futex(own, FUTEX_WAKE_OP, 1, 1, &word, less) == 0 && word == 4);
    CHECK(futex((uint32_t *)8, FUTEX_WAKE_OP, 1, 1, &word, less) == -1 && errno == EFAULT);
    CHECK(word == 4 && munmap(page, 4096) == 0);
}

/* Both ways to requeue count whom they move, too. */
static void *wait_plainly(void *unused)
{
    (void)unused;
    CHECK(futex(own, FUTEX_WAIT_PRIVATE, 0, 0, NULL, 0) == 0);
    return NULL;
}

static void counts_all(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, wait_plainly, NULL) == 0);
    long moved;
    while ((moved = futex(own, FUTEX_REQUEUE_PRIVATE, 0, 1, &own[1], 0)) == 0)
        usleep(1000);
    CHECK(moved == 1);
    /* Where it is moved it waits for the first word again. */
    while (futex(own, FUTEX_WAKE_PRIVATE, 1, 0, NULL, 0) == 0
           && futex(&own[1], FUTEX_WAKE_PRIVATE, 1, 0, NULL, 0) == 0)
        usleep(1000);
    CHECK(pthread_join(thread, NULL) == 0);
}

int main(void)
{
    RUN(any_word_wakes);
    RUN(shared_words);
    RUN(time_runs_out);
    RUN(a_handler_runs);
    RUN(waitv_errors);
    RUN(requeue_to_a_free_lock);
    RUN(requeue_to_a_held_lock);
    RUN(requeue_errors);
    RUN(only_as_was_meant);
    RUN(small_print);
    RUN(counts_all);
    return 0;
}
