/* Event descriptors: epoll(7), eventfd(2), timerfd_create(2), signalfd(2), pidfd_open(2). */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* P_PIDFD is younger than some C libraries. */
#define BY_PIDFD 3

static void add(int ep, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) == 0);
}

/* The events of `fd` that one wait without a timeout finds; 0 for none. */
static uint32_t found(int ep, int fd)
{
    struct epoll_event events[8];
    int count = epoll_wait(ep, events, 8, 0);
    for (int i = 0; i < count; i++)
        if (events[i].data.fd == fd)
            return events[i].events;
    return 0;
}

static void levels_and_edges(void)
{
    int level = epoll_create1(EPOLL_CLOEXEC), edge = epoll_create1(0), ends[2];
    char bytes[8];
    CHECK(pipe(ends) == 0);
    add(level, ends[0], EPOLLIN);
    add(edge, ends[0], EPOLLIN | EPOLLET);
    CHECK(found(level, ends[0]) == 0 && found(edge, ends[0]) == 0);
    CHECK(write(ends[1], "abc", 3) == 3);
    CHECK(found(level, ends[0]) == EPOLLIN && found(edge, ends[0]) == EPOLLIN);
    CHECK(found(level, ends[0]) == EPOLLIN && found(edge, ends[0]) == 0);
    CHECK(read(ends[0], bytes, 1) == 1);
    CHECK(found(level, ends[0]) == EPOLLIN && found(edge, ends[0]) == 0);
    CHECK(write(ends[1], "d", 1) == 1);
    CHECK(found(edge, ends[0]) == EPOLLIN);
    CHECK(read(ends[0], bytes, 8) == 3);
    CHECK(found(level, ends[0]) == 0 && found(edge, ends[0]) == 0);
    close(ends[1]);
    CHECK(found(level, ends[0]) == EPOLLHUP && found(edge, ends[0]) == EPOLLHUP);
    close(ends[0]);
    CHECK(found(level, ends[0]) == 0);
    close(level);
    close(edge);
}

static void one_shot_and_errors(void)
{
    int ep = epoll_create1(0), ends[2], file = open("/proc/self/exe", 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT};
    CHECK(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
    event.data.fd = ends[0];
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, ends[0], &event) == -1 && errno == ENOENT);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, ends[0], &event) == -1 && errno == EEXIST);
    CHECK(found(ep, ends[0]) == EPOLLIN && found(ep, ends[0]) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, ends[0], &event) == 0);
    CHECK(found(ep, ends[0]) == EPOLLIN);
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, ends[0], NULL) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_DEL, ends[0], NULL) == -1 && errno == ENOENT);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, file, &event) == -1 && errno == EPERM);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &event) == -1 && errno == EINVAL);
    CHECK(epoll_ctl(ends[0], EPOLL_CTL_ADD, ep, &event) == -1 && errno == EINVAL);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &event) == -1 && errno == EBADF);
    CHECK(epoll_wait(ep, &event, 0, 0) == -1 && errno == EINVAL);
    int outer = epoll_create1(0);
    add(outer, ep, EPOLLIN);
    event.data.fd = outer;
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, outer, &event) == -1 && errno == ELOOP);
    add(ep, ends[0], EPOLLIN);
    CHECK(found(outer, ep) == EPOLLIN);
    close(outer), close(ep), close(ends[0]), close(ends[1]), close(file);
}

static void on_alarm(int signal)
{
    (void)signal;
}

static void waits_end(void)
{
    int ep = epoll_create1(0), ends[2];
    struct epoll_event event;
    CHECK(pipe(ends) == 0);
    add(ep, ends[0], EPOLLIN);
    CHECK(epoll_wait(ep, &event, 1, 20) == 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(20000);
        _exit(write(ends[1], "x", 1) != 1);
    }
    CHECK(epoll_wait(ep, &event, 1, -1) == 1 && event.data.fd == ends[0]);
    CHECK(waitpid(child, NULL, 0) == child);
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    /* Again and again: the wait may begin later than the first comes. */
    ualarm(20000, 20000);
    CHECK(epoll_wait(ep, &event, 1, -1) == -1 && errno == EINTR);
    sigset_t alarms, none;
    sigemptyset(&none);
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    CHECK(sigprocmask(SIG_BLOCK, &alarms, NULL) == 0);
    ualarm(1000, 0);
    CHECK(epoll_wait(ep, &event, 1, 30) == 0);
    CHECK(epoll_pwait(ep, &event, 1, -1, &none) == -1 && errno == EINTR);
    CHECK(sigprocmask(SIG_UNBLOCK, &alarms, NULL) == 0);
    close(ep), close(ends[0]), close(ends[1]);
}

static void counters(void)
{
    uint64_t value;
    int fd = eventfd(3, EFD_NONBLOCK), semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    CHECK(eventfd_write(fd, 4) == 0 && read(fd, &value, 8) == 8 && value == 7);
    CHECK(read(fd, &value, 8) == -1 && errno == EAGAIN);
    CHECK(read(fd, &value, 7) == -1 && errno == EINVAL);
    CHECK(read(semaphore, &value, 8) == 8 && value == 1);
    CHECK(read(semaphore, &value, 8) == 8 && value == 1);
    CHECK(read(semaphore, &value, 8) == -1 && errno == EAGAIN);
    value = UINT64_MAX;
    CHECK(write(fd, &value, 8) == -1 && errno == EINVAL);
    CHECK(eventfd_write(fd, UINT64_MAX - 1) == 0);
    CHECK(eventfd_write(fd, 1) == -1 && errno == EAGAIN);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT};
    CHECK(poll(&poll_fd, 1, 0) == 1 && poll_fd.revents == POLLIN);
    close(fd), close(semaphore);
    fd = eventfd(0, 0);
    if (fork() == 0) {
        usleep(20000);
        _exit(eventfd_write(fd, 5));
    }
    CHECK(read(fd, &value, 8) == 8 && value == 5);
    CHECK(wait(NULL) > 0);
    close(fd);
}

static void timers(void)
{
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec setting = {{0, 10000000}, {0, 10000000}}, left;
    uint64_t count;
    CHECK(timerfd_gettime(fd, &left) == 0 && left.it_value.tv_nsec == 0);
    CHECK(read(fd, &count, 8) == -1 && errno == EAGAIN);
    CHECK(timerfd_settime(fd, 0, &setting, &left) == 0 && left.it_interval.tv_nsec == 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, -1) == 1 && poll_fd.revents == POLLIN);
    usleep(35000);
    CHECK(read(fd, &count, 8) == 8 && count >= 3);
    CHECK(timerfd_gettime(fd, &left) == 0 && left.it_interval.tv_nsec == 10000000);
    CHECK(left.it_value.tv_sec == 0 && left.it_value.tv_nsec <= 10000000);
    struct itimerspec none = {{0, 0}, {0, 0}};
    CHECK(timerfd_settime(fd, 0, &none, NULL) == 0);
    usleep(15000);
    CHECK(read(fd, &count, 8) == -1 && errno == EAGAIN);
    close(fd);
    fd = timerfd_create(CLOCK_REALTIME, 0);
    struct itimerspec past = {{0, 0}, {1, 0}};
    CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &past, NULL) == 0);
    CHECK(read(fd, &count, 8) == 8 && count == 1);
    past.it_value.tv_nsec = 1000000000;
    CHECK(timerfd_settime(fd, 0, &past, NULL) == -1 && errno == EINVAL);
    CHECK(timerfd_settime(0, 0, &none, NULL) == -1);
    close(fd);
}

static void signals(void)
{
    sigset_t set;
    struct signalfd_siginfo infos[4];
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGCHLD);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    int fd = signalfd(-1, &set, SFD_NONBLOCK), ep = epoll_create1(0);
    CHECK(fd >= 0);
    add(ep, fd, EPOLLIN);
    CHECK(read(fd, infos, sizeof(infos)) == -1 && errno == EAGAIN);
    CHECK(found(ep, fd) == 0);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    CHECK(found(ep, fd) == EPOLLIN);
    CHECK(read(fd, infos, sizeof(infos)) == sizeof(infos[0]));
    CHECK(infos[0].ssi_signo == SIGUSR1 && (pid_t)infos[0].ssi_pid == getpid());
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    struct epoll_event event;
    CHECK(epoll_wait(ep, &event, 1, -1) == 1);
    CHECK(read(fd, infos, sizeof(infos)) == sizeof(infos[0]));
    CHECK(infos[0].ssi_signo == SIGCHLD && infos[0].ssi_status == 7);
    CHECK((pid_t)infos[0].ssi_pid == child && infos[0].ssi_code == CLD_EXITED);
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK(read(fd, infos, 100) == -1 && errno == EINVAL);
    close(ep), close(fd);
    CHECK(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

static void processes(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) == 0 ? 5 : 6);
    }
    int fd = syscall(SYS_pidfd_open, child, 0);
    CHECK(fd >= 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    CHECK(poll(&poll_fd, 1, 0) == 0);
    CHECK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0) == 0);
    close(ends[1]);
    CHECK(poll(&poll_fd, 1, -1) == 1 && poll_fd.revents == POLLIN);
    siginfo_t info;
    CHECK(waitid(BY_PIDFD, fd, &info, WEXITED) == 0 && info.si_status == 5);
    CHECK(syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == -1 && errno == ESRCH);
    CHECK(poll(&poll_fd, 1, 0) == 1);
    CHECK(syscall(SYS_pidfd_open, child, 0) == -1 && errno == ESRCH);
    close(fd), close(ends[0]);
}

int main(void)
{
    RUN(levels_and_edges);
    RUN(one_shot_and_errors);
    RUN(waits_end);
    RUN(counters);
    RUN(timers);
    RUN(signals);
    RUN(processes);
    return 0;
}
