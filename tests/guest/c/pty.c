/* Pseudoterminals: opening both ends, and packets that say what has happened (TIOCPKT). */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "check.h"

static int master, slave;

static void make(void)
{
    int unlocked = 0;
    master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(master >= 0);
    CHECK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY) == -1 && errno == EIO);
    CHECK(ioctl(master, TIOCSPTLCK, &unlocked) == 0);
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(slave >= 0 && isatty(slave) && fcntl(slave, F_GETFD) == FD_CLOEXEC);
    CHECK(strcmp(ttyname(slave), ptsname(master)) == 0);
    int null = open("/dev/null", O_RDWR);
    CHECK(ioctl(slave, TIOCGPTPEER, O_RDWR) == -1 && errno == EIO);
    CHECK(ioctl(null, TIOCGPTPEER, O_RDWR) == -1 && errno == ENOTTY && close(null) == 0);
}

/* What the master reads next, which comes by itself. */
static void reads(const char *expected, size_t length)
{
    char text[100];
    struct pollfd ready = {.fd = master, .events = POLLIN};
    CHECK(poll(&ready, 1, -1) == 1);
    CHECK(read(master, text, sizeof text) == (ssize_t)length);
    CHECK(memcmp(text, expected, length) == 0);
}

static void reads_event(char event)
{
    struct pollfd ready = {.fd = master, .events = POLLPRI};
    CHECK(poll(&ready, 1, -1) == 1 && ready.revents == POLLPRI);
    reads(&event, 1);
    CHECK(poll(&ready, 1, 0) == 0);
}

static void change(int flow)
{
    struct termios settings;
    CHECK(tcgetattr(slave, &settings) == 0);
    settings.c_lflag &= ~ECHO;
    settings.c_iflag = flow ? settings.c_iflag | IXON : settings.c_iflag & ~IXON;
    CHECK(tcsetattr(slave, TCSANOW, &settings) == 0);
}

static void both_ends(void)
{
    make();
    change(1);
    CHECK(write(slave, "shown", 5) == 5);
    reads("shown", 5);
    CHECK(write(master, "typed\n", 6) == 6);
    char text[100];
    CHECK(read(slave, text, sizeof text) == 6 && memcmp(text, "typed\n", 6) == 0);
}

static void packets(void)
{
    int on = 1, now = 7;
    CHECK(ioctl(master, TIOCGPKT, &now) == 0 && now == 0);
    CHECK(ioctl(master, TIOCPKT, &on) == 0);
    CHECK(ioctl(master, TIOCGPKT, &now) == 0 && now == 1);
    CHECK(write(slave, "shown", 5) == 5);
    reads("\0shown", 6);
    CHECK(tcflush(slave, TCIFLUSH) == 0);
    reads_event(TIOCPKT_FLUSHREAD);
    CHECK(tcflush(slave, TCOFLUSH) == 0);
    reads_event(TIOCPKT_FLUSHWRITE);
    change(0);
    reads_event(TIOCPKT_NOSTOP);
    change(1);
    reads_event(TIOCPKT_DOSTOP);
    CHECK(tcflow(slave, TCOOFF) == 0);
    reads_event(TIOCPKT_STOP);
    CHECK(tcflow(slave, TCOON) == 0);
    reads_event(TIOCPKT_START);
    on = 0;
    CHECK(ioctl(master, TIOCPKT, &on) == 0);
    CHECK(write(slave, "plain", 5) == 5);
    reads("plain", 5);
    CHECK(close(slave) == 0 && close(master) == 0);
}

static void process_outside(int on)
{
    struct termios settings;
    CHECK(tcgetattr(slave, &settings) == 0);
    settings.c_lflag = on ? settings.c_lflag | EXTPROC : settings.c_lflag & ~EXTPROC;
    CHECK(tcsetattr(slave, TCSANOW, &settings) == 0);
    reads_event(TIOCPKT_IOCTL);
}

/* Who has the master edits and echoes, and learns of settings: nothing typed means anything. */
static void processed_outside(void)
{
    int on = 1, count = 0;
    char text[100];
    make();
    CHECK(ioctl(master, TIOCPKT, &on) == 0);
    CHECK(write(master, "be", 2) == 2);
    reads("\0be", 3);
    process_outside(1);
    CHECK(write(master, "fore\3\4\x7f\r\n", 9) == 9);
    struct pollfd ready = {.fd = slave, .events = POLLIN};
    struct pollfd silent = {.fd = master, .events = POLLIN};
    CHECK(poll(&ready, 1, -1) == 1 && poll(&silent, 1, 0) == 0);
    while (ioctl(slave, FIONREAD, &count) == 0 && count < 11)
        usleep(1000);
    CHECK(read(slave, text, sizeof text) == 11 && memcmp(text, "before\3\4\x7f\r\n", 11) == 0);
    process_outside(1);
    process_outside(0);
    CHECK(write(master, "x\x7fyes\r", 6) == 6);
    CHECK(read(slave, text, sizeof text) == 4 && memcmp(text, "yes\n", 4) == 0);
    CHECK(close(slave) == 0 && close(master) == 0);
}

static void on_signal(int signal) { (void)signal; }

static void signals_from_outside(void)
{
    char byte;
    int status;
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    if (child == 0) {
        sigset_t set;
        struct sigaction action = {.sa_handler = on_signal};
        sigemptyset(&set), sigaddset(&set, SIGINT);
        CHECK(sigaction(SIGINT, &action, NULL) == 0);
        CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
        CHECK(write(1, "r", 1) == 1);
        int caught = 0;
        CHECK(sigwait(&set, &caught) == 0);
        _exit(caught == SIGINT ? 3 : 4);
    }
    CHECK(child > 0 && read(master, &byte, 1) == 1);
    CHECK(ioctl(master, TIOCSIG, SIGUSR1) == -1 && errno == EINVAL);
    CHECK(ioctl(master, TIOCSIG, SIGINT) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 3 << 8);
    CHECK(close(master) == 0);
}

int main(void)
{
    RUN(both_ends);
    RUN(packets);
    RUN(processed_outside);
    RUN(signals_from_outside);
    return 0;
}
