/* Calls that C libraries have newer names for, made by their numbers: they do what the newer do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/wait.h>
#include <time.h>
#include <utime.h>

#include "check.h"

static void file_calls(void)
{
    struct stat one, two;
    struct statfs system;
    int fd = syscall(SYS_creat, "file", 0640);
    CHECK(fd >= 0 && write(fd, "text", 4) == 4);
    CHECK(syscall(SYS_stat, "file", &one) == 0 && one.st_size == 4);
    CHECK(syscall(SYS_symlinkat, "file", AT_FDCWD, "link") == 0);
    CHECK(syscall(SYS_lstat, "link", &two) == 0 && S_ISLNK(two.st_mode));
    CHECK(syscall(SYS_stat, "link", &two) == 0 && two.st_ino == one.st_ino);
    CHECK(syscall(SYS_fchown, fd, -1, -1) == 0 && syscall(SYS_lchown, "link", -1, -1) == 0);
    CHECK(syscall(SYS_fchownat, AT_FDCWD, "file", -1, -1, 0) == 0);
    CHECK(syscall(SYS_statfs, ".", &system) == 0 && system.f_bsize > 0 && system.f_namelen == 255);
    struct utimbuf seconds = {1000, 2000};
    CHECK(syscall(SYS_utime, "file", &seconds) == 0 && stat("file", &one) == 0);
    CHECK(one.st_atime == 1000 && one.st_mtime == 2000);
    struct timeval micros[2] = {{3000, 5}, {4000, 6}};
    CHECK(syscall(SYS_utimes, "file", micros) == 0 && stat("file", &one) == 0);
    CHECK(one.st_atim.tv_nsec == 5000 && one.st_mtime == 4000 && one.st_mtim.tv_nsec == 6000);
    CHECK(syscall(SYS_sync) == 0 && close(fd) == 0);
    CHECK(unlink("file") == 0 && unlink("link") == 0);
}

static void descriptor_calls(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    struct timespec none = {0, 0};
    uint64_t value = 0;
    int ep = syscall(SYS_epoll_create, 1), counter = syscall(SYS_eventfd, 3);
    CHECK(ep >= 0 && counter >= 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, counter, &event) == 0);
    CHECK(syscall(SYS_epoll_pwait2, ep, &event, 1, &none, NULL, 8) == 1);
    CHECK(read(counter, &value, 8) == 8 && value == 3);
    CHECK(syscall(SYS_epoll_pwait2, ep, &event, 1, &none, NULL, 8) == 0);
    uint64_t mask = 1 << (SIGUSR1 - 1);
    int signals = syscall(SYS_signalfd, -1, &mask, 8), watches = syscall(SYS_inotify_init);
    CHECK(signals >= 0 && watches >= 0);
    int self = syscall(SYS_pidfd_open, getpid(), 0);
    int copy = syscall(SYS_pidfd_getfd, self, counter, 0);
    CHECK(self >= 0 && copy >= 0 && write(copy, &value, 8) == 8);
    value = 0;
    CHECK(read(counter, &value, 8) == 8 && value == 3);
    close(ep), close(counter), close(signals), close(watches), close(self), close(copy);
}

static volatile sig_atomic_t came;
static void on_signal(int signal) { came = signal; }

static void process_calls(void)
{
    struct rlimit limit, again;
    struct rusage usage;
    struct sysinfo info;
    struct timeval now;
    time_t before = time(NULL);
    struct tms ticks;
    unsigned cpu = 99;
    CHECK(syscall(SYS_getrlimit, RLIMIT_CORE, &limit) == 0);
    limit.rlim_cur = 0;
    CHECK(syscall(SYS_setrlimit, RLIMIT_CORE, &limit) == 0);
    CHECK(syscall(SYS_getrlimit, RLIMIT_CORE, &again) == 0 && again.rlim_cur == 0);
    CHECK(syscall(SYS_getrusage, RUSAGE_SELF, &usage) == 0);
    CHECK(syscall(SYS_sysinfo, &info) == 0 && info.totalram > info.freeram && info.procs > 0);
    CHECK(syscall(SYS_gettimeofday, &now, NULL) == 0);
    CHECK(before <= now.tv_sec && now.tv_sec <= time(NULL) + 1);
    CHECK(syscall(SYS_times, &ticks) != -1);
    CHECK(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0 && cpu != 99);
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(syscall(SYS_tkill, syscall(SYS_gettid), SIGUSR1) == 0 && came == SIGUSR1);
}

#define REFUSED(call)                                                                              \
    do {                                                                                           \
        CHECK((call) == -1 && errno == EFBIG && came == SIGXFSZ);                                  \
        came = 0;                                                                                  \
    } while (0)

/* What RLIMIT_FSIZE allows, and what it says to the rest. */
static void within_file_size(void)
{
    char bytes[150] = "";
    int ends[2], fd = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
    int full = open("full", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && write(full, bytes, 150) == 150 && pipe(ends) == 0);
    struct sigaction action = {.sa_handler = on_signal};
    struct rlimit limit = {100, 1000};
    CHECK(sigaction(SIGXFSZ, &action, NULL) == 0 && setrlimit(RLIMIT_FSIZE, &limit) == 0);
    came = 0;
    CHECK(write(fd, bytes, 150) == 100 && came == 0);
    REFUSED(write(fd, bytes, 1));
    REFUSED(pwrite(fd, bytes, 1, 5000));
    REFUSED(ftruncate(fd, 101));
    REFUSED(truncate("limited", 101));
    REFUSED(fallocate(fd, 0, 0, 101));
    CHECK(lseek(full, 0, SEEK_SET) == 0);
    REFUSED(copy_file_range(full, NULL, fd, NULL, 10, 0));
    CHECK(pwrite(fd, bytes, 150, 60) == 40 && lseek(fd, 0, SEEK_END) == 100);
    CHECK(pwrite(full, bytes, 10, 90) == 10 && ftruncate(full, 140) == 0);
    CHECK(write(ends[1], bytes, 150) == 150 && ftruncate(fd, 20) == 0 && came == 0);
    CHECK(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    pid_t child = fork();
    int status;
    if (child == 0) {
        pwrite(fd, bytes, 1, 100);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGXFSZ);
    CHECK(unlink("limited") == 0 && unlink("full") == 0);
}

static void limit_calls(void) { in_child(within_file_size); }

static void identity_calls(void)
{
    gid_t groups[64];
    CHECK(syscall(SYS_getgid) == (long)getegid());
    CHECK(syscall(SYS_setuid, getuid()) == 0 && syscall(SYS_setgid, getgid()) == 0);
    CHECK(syscall(SYS_setresuid, -1, -1, -1) == 0 && syscall(SYS_setresgid, -1, -1, -1) == 0);
    long count = syscall(SYS_getgroups, 64, groups);
    CHECK(count >= 0);
    if (getuid() == 0)
        CHECK(syscall(SYS_setgroups, count, groups) == 0);
}

static void semaphore_calls(void)
{
    int id = semget(IPC_PRIVATE, 1, 0600);
    struct sembuf up = {0, 1, 0};
    CHECK(syscall(SYS_semop, id, &up, 1) == 0 && semctl(id, 0, GETVAL) == 1);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
}

static void no_notices(void)
{
    int directory = open(".", O_RDONLY | O_DIRECTORY);
    CHECK(directory >= 0 && fcntl(directory, F_NOTIFY, DN_MULTISHOT) == 0);
    CHECK(fcntl(directory, F_NOTIFY, 0) == 0 && close(directory) == 0);
}

/* A call that would take long ends when its process is ended. */
static void long_calls(void)
{
    for (int kind = 0; kind < 2; kind++) {
        struct timespec moment = {0, 50000000};
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            int random = open("/dev/urandom", O_RDONLY), null = open("/dev/null", O_WRONLY);
            static char room[1 << 20];
            for (;;) {
                if (kind == 0)
                    sendfile(null, random, NULL, 1ul << 50);
                else
                    CHECK(write(null, room, read(random, room, sizeof room)) > 0);
            }
        }
        nanosleep(&moment, NULL);
        alarm(100);
        CHECK(kill(child, SIGKILL) == 0);
        CHECK(waitpid(child, &status, 0) == child && WTERMSIG(status) == SIGKILL);
        alarm(0);
    }
}

int main(void)
{
    RUN(file_calls);
    RUN(descriptor_calls);
    RUN(process_calls);
    RUN(limit_calls);
    RUN(identity_calls);
    RUN(semaphore_calls);
    RUN(no_notices);
    RUN(long_calls);
    return 0;
}
