/* Timers of timer_create(2), and signals sent with a value. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile sig_atomic_t count, last_code, last_value;

static void on_signal(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    count++, last_code = info->si_code, last_value = info->si_value.sival_int;
}

static void catch(int signal)
{
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(signal, &action, NULL) == 0);
    count = 0;
}

static struct itimerspec after(long millis, long interval)
{
    return (struct itimerspec){.it_value = {millis / 1000, millis % 1000 * 1000000},
                               .it_interval = {interval / 1000, interval % 1000 * 1000000}};
}

static void wait_for(int signals)
{
    sigset_t all, none;
    sigfillset(&all), sigemptyset(&none);
    CHECK(sigprocmask(SIG_BLOCK, &all, NULL) == 0);
    while (count < signals)
        sigsuspend(&none);
    CHECK(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
}

static void once(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    struct itimerspec setting = after(20, 0), left;
    event.sigev_value.sival_int = 4711;
    catch(SIGRTMIN);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_gettime(timer, &left) == 0 && left.it_value.tv_nsec == 0);
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    wait_for(1);
    CHECK(last_code == SI_TIMER && last_value == 4711);
    CHECK(timer_gettime(timer, &left) == 0);
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
    CHECK(timer_getoverrun(timer) == 0 && timer_delete(timer) == 0);
    CHECK(timer_delete(timer) == -1 && errno == EINVAL);
}

static void again_and_again(void)
{
    timer_t timer;
    struct itimerspec setting = after(10, 10), left;
    catch(SIGALRM);
    CHECK(timer_create(CLOCK_REALTIME, NULL, &timer) == 0);
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    wait_for(4);
    CHECK(last_code == SI_TIMER);
    setting = after(0, 0);
    CHECK(timer_settime(timer, 0, &setting, &left) == 0);
    CHECK(left.it_interval.tv_nsec == 10000000 && left.it_value.tv_nsec > 0);
    CHECK(timer_delete(timer) == 0);
}

static void overruns(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec setting = after(1, 1), none = after(0, 0);
    sigset_t blocked;
    siginfo_t info;
    sigemptyset(&blocked), sigaddset(&blocked, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0);
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    usleep(60000);
    CHECK(sigwaitinfo(&blocked, &info) == SIGUSR1 && info.si_code == SI_TIMER);
    CHECK(info.si_overrun > 5);
    /* The next signal waits already; what is told is that of the one that was taken. */
    usleep(5000);
    CHECK(timer_getoverrun(timer) == info.si_overrun);
    CHECK(timer_settime(timer, 0, &none, NULL) == 0 && timer_getoverrun(timer) == 0);
    struct timespec moment = {0, 0};
    sigtimedwait(&blocked, NULL, &moment);
    CHECK(sigprocmask(SIG_UNBLOCK, &blocked, NULL) == 0);
    CHECK(timer_delete(timer) == 0);
}

static void absolute(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    struct itimerspec setting = {0};
    catch(SIGUSR2);
    CHECK(timer_create(CLOCK_REALTIME, &event, &timer) == 0);
    CHECK(clock_gettime(CLOCK_REALTIME, &setting.it_value) == 0);
    CHECK(timer_settime(timer, TIMER_ABSTIME, &setting, NULL) == 0);
    wait_for(1);
    CHECK(timer_delete(timer) == 0);
}

static void to_a_thread(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR2};
    struct itimerspec setting = after(5, 0);
    catch(SIGUSR2);
    event._sigev_un._tid = gettid();
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    CHECK(timer_settime(timer, 0, &setting, NULL) == 0);
    wait_for(1);
    event._sigev_un._tid = 4000000;
    timer_t other;
    CHECK(timer_create(CLOCK_MONOTONIC, &event, &other) == -1 && errno == EINVAL);
    CHECK(timer_create(77, NULL, &other) == -1 && errno == EINVAL);
    CHECK(timer_delete(timer) == 0);
}

/* A child has no timers of its parent. */
static void not_inherited(void)
{
    timer_t timer;
    struct itimerspec left;
    int status;
    CHECK(timer_create(CLOCK_MONOTONIC, NULL, &timer) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(timer_gettime(timer, &left) == -1 && errno == EINVAL ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(timer_delete(timer) == 0);
}

static void values(void)
{
    union sigval value = {.sival_int = 99};
    catch(SIGRTMIN + 1);
    CHECK(sigqueue(getpid(), SIGRTMIN + 1, value) == 0);
    wait_for(1);
    CHECK(last_code == SI_QUEUE && last_value == 99);
    siginfo_t info = {.si_signo = SIGRTMIN + 1, .si_code = SI_QUEUE, .si_pid = getpid()};
    info.si_value.sival_int = 98;
    CHECK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN + 1, &info) == 0);
    wait_for(2);
    CHECK(last_code == SI_QUEUE && last_value == 98);
    CHECK(sigqueue(4000000, 0, value) == -1 && errno == ESRCH);
    info.si_code = SI_TKILL;
    CHECK(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info) == -1 && errno == EPERM);
}

int main(void)
{
    RUN(once);
    RUN(again_and_again);
    RUN(overruns);
    RUN(absolute);
    RUN(to_a_thread);
    RUN(not_inherited);
    RUN(values);
    return 0;
}
