/* CPU time: whose it is, the clocks that count it, and the timers that run by them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile sig_atomic_t count, last_code, last_value;
static volatile uint64_t burned;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    count++, last_code = info->si_code, last_value = info->si_value.sival_int;
}

static void catch(int signal)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    CHECK(sigaction(signal, &action, NULL) == 0);
    count = 0;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec at;
    CHECK(clock_gettime(clock, &at) == 0);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static void burn(void)
{
    for (int i = 0; i < 10000; i++)
        burned += i;
}

static void burn_ms(clockid_t clock, int ms)
{
    for (int64_t until = read_clock(clock) + ms * 1000000LL; read_clock(clock) < until;)
        burn();
}

static pthread_barrier_t barrier;
static clockid_t thread_clock;

static void *burn_alone(void *unused)
{
    (void)unused;
    burn_ms(CLOCK_THREAD_CPUTIME_ID, 30);
    CHECK(pthread_getcpuclockid(pthread_self(), &thread_clock) == 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void threads_have_their_own(void)
{
    pthread_t thread;
    int64_t before = read_clock(CLOCK_THREAD_CPUTIME_ID);
    int64_t all = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    struct rusage usage;
    CHECK(pthread_barrier_init(&barrier, NULL, 2) == 0);
    CHECK(pthread_create(&thread, NULL, burn_alone, NULL) == 0);
    pthread_barrier_wait(&barrier);
    int64_t own = read_clock(CLOCK_THREAD_CPUTIME_ID) - before;
    CHECK(read_clock(CLOCK_PROCESS_CPUTIME_ID) - all >= 30000000 + own / 2);
    CHECK(read_clock(thread_clock) >= 30000000);
    CHECK(getrusage(RUSAGE_THREAD, &usage) == 0);
    pthread_barrier_wait(&barrier);
    CHECK(pthread_join(thread, NULL) == 0);
    /* Who joins a thread is told before it is quite gone. */
    while (clock_gettime(thread_clock, &(struct timespec){0}) == 0)
        usleep(1000);
    CHECK(errno == EINVAL);
    CHECK(read_clock(CLOCK_PROCESS_CPUTIME_ID) - all >= 30000000);
}

static struct itimerspec every(long ms, long again)
{
    return (struct itimerspec){.it_value = {0, ms * 1000000}, .it_interval = {0, again * 1000000}};
}

static void process_timer(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec setting = every(20, 10), left;
    event.sigev_value.sival_int = 4711;
    catch(SIGRTMIN);
    CHECK(timer_create(CLOCK_PROCESS_CPUTIME_ID, &event, &timer) == 0);
    CHECK(timer_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0);
    int64_t began = read_clock(CLOCK_PROCESS_CPUTIME_ID);
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    CHECK(timer_gettime(timer, &left) == 0);
    CHECK(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 20000000);
    CHECK(left.it_interval.tv_nsec == 10000000);
    while (count < 1)
        burn();
    CHECK(read_clock(CLOCK_PROCESS_CPUTIME_ID) - began >= 20000000);
    CHECK(last_code == SI_TIMER && last_value == 4711);
    while (count < 3)
        burn();
    CHECK(read_clock(CLOCK_PROCESS_CPUTIME_ID) - began >= 40000000);
    CHECK(timer_getoverrun(timer) >= 0 && timer_delete(timer) == 0);
    /* What has been used already is past at once. */
    struct timespec now;
    CHECK(timer_create(CLOCK_PROCESS_CPUTIME_ID, NULL, &timer) == 0);
    CHECK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    setting = (struct itimerspec){.it_value = now};
    catch(SIGALRM);
    CHECK(timer_settime(timer, TIMER_ABSTIME, &setting, NULL) == 0);
    while (count < 1)
        burn();
    CHECK(timer_delete(timer) == 0);
}

static void *burn_until(void *signals)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN};
    struct itimerspec setting = every(10, 0);
    event._sigev_un._tid = gettid();
    CHECK(timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    while (count < *(int *)signals)
        burn();
    CHECK(read_clock(CLOCK_THREAD_CPUTIME_ID) >= 10000000 && timer_delete(timer) == 0);
    return NULL;
}

static void thread_timer(void)
{
    pthread_t thread;
    int one = 1;
    catch(SIGRTMIN);
    CHECK(pthread_create(&thread, NULL, burn_until, &one) == 0);
    CHECK(pthread_join(thread, NULL) == 0 && count == 1);
}

static void clock_of_another(void)
{
    clockid_t clock;
    timer_t timer;
    struct itimerspec setting = every(20, 0);
    int status;
    pid_t child = fork();
    if (child == 0)
        for (;;)
            burn();
    CHECK(clock_getcpuclockid(child, &clock) == 0);
    int64_t began = read_clock(clock);
    while (read_clock(clock) == began)
        usleep(1000);
    catch(SIGALRM);
    CHECK(timer_create(clock, NULL, &timer) == 0);
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    while (count < 1)
        usleep(1000);
    CHECK(read_clock(clock) - began >= 20000000);
    CHECK(timer_delete(timer) == 0 && kill(child, SIGKILL) == 0);
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(clock_getcpuclockid(child, &clock) == ESRCH);
    CHECK(clock_getcpuclockid(0, &clock) == 0 && read_clock(clock) > 0);
    CHECK(timer_create((~(1 << 22)) * 8 | 2, NULL, &timer) == -1 && errno == EINVAL);
}

static void time_in_the_kernel(void)
{
    static char buffer[65536];
    struct rusage usage;
    int zero = open("/dev/zero", O_RDONLY);
    CHECK(zero >= 0);
    do {
        for (int i = 0; i < 16; i++)
            CHECK(read(zero, buffer, sizeof buffer) == sizeof buffer);
        CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    } while (usage.ru_stime.tv_sec == 0 && usage.ru_stime.tv_usec < 10000);
    CHECK(close(zero) == 0);
    /* ITIMER_PROF counts it, too. */
    struct itimerval soon = {.it_value = {0, 30000}};
    catch(SIGPROF);
    CHECK(setitimer(ITIMER_PROF, &soon, NULL) == 0);
    while (count < 1)
        burn(), getppid();
    CHECK(getitimer(ITIMER_PROF, &soon) == 0 && soon.it_value.tv_usec == 0);
}

int main(void)
{
    RUN(threads_have_their_own);
    RUN(process_timer);
    RUN(thread_timer);
    RUN(clock_of_another);
    RUN(time_in_the_kernel);
    return 0;
}
