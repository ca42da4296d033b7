/* AF_UNIX sockets (unix(7)): connections, messages, names, and files that travel with bytes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

#define FAILS(call, error) CHECK((call) == -1 && errno == (error))

static int revents(int fd)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    CHECK(poll(&poll_fd, 1, 0) >= 0);
    return poll_fd.revents;
}

static struct sockaddr_un name_of(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strncpy(name.sun_path, path, sizeof(name.sun_path) - 1);
    return name;
}

static void streams(void)
{
    int ends[2];
    char bytes[16];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    CHECK(fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
    CHECK(revents(ends[0]) == POLLOUT);
    CHECK(write(ends[0], "hello ", 6) == 6 && send(ends[0], "world", 5, 0) == 5);
    CHECK(revents(ends[1]) == (POLLIN | POLLOUT));
    int count;
    CHECK(ioctl(ends[1], FIONREAD, &count) == 0 && count == 11);
    CHECK(recv(ends[1], bytes, 16, MSG_PEEK) == 11);
    CHECK(read(ends[1], bytes, 4) == 4 && memcmp(bytes, "hell", 4) == 0);
    CHECK(recv(ends[1], bytes, 7, MSG_WAITALL) == 7 && memcmp(bytes, "o world", 7) == 0);
    FAILS(recv(ends[1], bytes, 1, MSG_DONTWAIT), EAGAIN);
    CHECK(shutdown(ends[0], SHUT_WR) == 0);
    CHECK(revents(ends[1]) == (POLLIN | POLLOUT | POLLRDHUP));
    CHECK(read(ends[1], bytes, 1) == 0 && write(ends[1], "x", 1) == 1);
    signal(SIGPIPE, SIG_IGN);
    FAILS(write(ends[0], "x", 1), EPIPE);
    close(ends[1]);
    CHECK(revents(ends[0]) == (POLLIN | POLLOUT | POLLHUP | POLLRDHUP));
    CHECK(read(ends[0], bytes, 1) == 1 && read(ends[0], bytes, 1) == 0);
    close(ends[0]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && write(ends[0], "x", 1) == 1);
    close(ends[1]);
    CHECK(revents(ends[0]) == (POLLIN | POLLOUT | POLLHUP | POLLRDHUP | POLLERR));
    FAILS(read(ends[0], bytes, 1), ECONNRESET);
    CHECK(read(ends[0], bytes, 1) == 0);
    close(ends[0]);
    FAILS(socketpair(AF_INET, SOCK_STREAM, 0, ends), EOPNOTSUPP);
    FAILS(socket(AF_UNIX, 17, 0), EINVAL);
    FAILS(socket(AF_UNIX, SOCK_STREAM, 6), EPROTONOSUPPORT);
    FAILS(send(0, "x", 1, 0), ENOTSOCK);
}

static volatile int alarms;

static void on_signal(int signal)
{
    (void)signal;
    alarms++;
}

static void broken_pipes_and_signals(void)
{
    int ends[2];
    char byte;
    signal(SIGPIPE, on_signal);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    close(ends[1]);
    alarms = 0;
    FAILS(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK(alarms == 0);
    FAILS(send(ends[0], "x", 1, 0), EPIPE);
    CHECK(alarms == 1);
    close(ends[0]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    struct sigaction action = {.sa_handler = on_signal};
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    /* Again and again: the read may begin later than the first comes. */
    ualarm(20000, 20000);
    FAILS(read(ends[0], &byte, 1), EINTR);
    ualarm(0, 0);
    action.sa_flags = SA_RESTART;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        usleep(60000);
        _exit(write(ends[1], "r", 1) != 1);
    }
    ualarm(20000, 0);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'r');
    CHECK(waitpid(child, NULL, 0) == child);
    struct timeval limit = {0, 20000};
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    FAILS(read(ends[0], &byte, 1), EAGAIN);
    limit.tv_sec = 1000;
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    ualarm(20000, 20000);
    FAILS(read(ends[0], &byte, 1), EINTR);
    ualarm(0, 0);
    close(ends[0]), close(ends[1]);
}

static void limits_and_large_transfers(void)
{
    static char out[400000], in[400000];
    int ends[2], status;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
    ssize_t total = 0, count;
    while ((count = write(ends[0], out, 4096)) > 0)
        total += count;
    CHECK(count == -1 && errno == EAGAIN && total >= 4096);
    CHECK(revents(ends[0]) == 0);
    while (total > 0) {
        count = read(ends[1], in, sizeof(in));
        CHECK(count > 0);
        total -= count;
    }
    CHECK(revents(ends[0]) == POLLOUT);
    CHECK(fcntl(ends[0], F_SETFL, 0) == 0);
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = i * 7 + i / 251;
    pid_t child = fork();
    if (child == 0)
        _exit(write(ends[0], out, sizeof(out)) != (ssize_t)sizeof(out));
    CHECK(recv(ends[1], in, sizeof(in), MSG_WAITALL) == (ssize_t)sizeof(in));
    CHECK(memcmp(in, out, sizeof(in)) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]), close(ends[1]);
}

static void messages(void)
{
    int ends[2];
    char bytes[16], one[4], two[4];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0);
    CHECK(send(ends[0], "abcdef", 6, 0) == 6 && send(ends[0], "xy", 2, 0) == 2);
    CHECK(recv(ends[1], bytes, 3, 0) == 3);
    CHECK(recv(ends[1], bytes, 16, 0) == 2);
    CHECK(send(ends[0], "abcdef", 6, 0) == 6);
    CHECK(recv(ends[1], bytes, 3, MSG_TRUNC | MSG_PEEK) == 6);
    struct iovec parts[] = {{one, 4}, {two, 1}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    CHECK(recvmsg(ends[1], &message, 0) == 5 && message.msg_flags & MSG_TRUNC);
    CHECK(memcmp(one, "abcd", 4) == 0 && two[0] == 'e');
    close(ends[0]);
    CHECK(read(ends[1], bytes, 16) == 0);
    close(ends[1]);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    CHECK(send(ends[0], "", 0, 0) == 0 && send(ends[0], "z", 1, 0) == 1);
    CHECK(recv(ends[1], bytes, 16, 0) == 0 && recv(ends[1], bytes, 16, 0) == 1);
    int sent = 0;
    while (send(ends[0], "m", 1, MSG_DONTWAIT) == 1)
        sent++;
    CHECK(errno == EAGAIN && sent > 0 && revents(ends[0]) == 0);
    while (sent-- > 0)
        CHECK(recv(ends[1], bytes, 1, 0) == 1);
    CHECK(revents(ends[0]) == POLLOUT);
    struct mmsghdr many[3] = {{.msg_hdr = message}, {.msg_hdr = message}, {.msg_hdr = message}};
    memcpy(one, "1234", 4), two[0] = '5';
    CHECK(sendmmsg(ends[0], many, 2, 0) == 2 && many[0].msg_len == 5 && many[1].msg_len == 5);
    CHECK(recvmmsg(ends[1], many, 3, MSG_WAITFORONE, NULL) == 2 && many[1].msg_len == 5);
    close(ends[1]);
    FAILS(send(ends[0], "x", 1, 0), ECONNREFUSED);
    close(ends[0]);
}

static void names(void)
{
    struct sockaddr_un name = name_of("listening"), other;
    socklen_t length = sizeof(other);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(revents(client) == (POLLOUT | POLLHUP));
    FAILS(connect(client, (void *)&name, sizeof(name)), ENOENT);
    CHECK(bind(listener, (void *)&name, sizeof(name)) == 0);
    FAILS(bind(client, (void *)&name, sizeof(name)), EADDRINUSE);
    FAILS(connect(client, (void *)&name, sizeof(name)), ECONNREFUSED);
    struct stat stat;
    CHECK(lstat("listening", &stat) == 0 && S_ISSOCK(stat.st_mode));
    FAILS(open("listening", O_RDWR), ENXIO);
    FAILS(accept(listener, NULL, NULL), EINVAL);
    CHECK(listen(listener, 1) == 0 && revents(listener) == 0);
    CHECK(connect(client, (void *)&name, sizeof(name)) == 0);
    FAILS(connect(client, (void *)&name, sizeof(name)), EISCONN);
    CHECK(revents(listener) == POLLIN && write(client, "early", 5) == 5);
    int server = accept4(listener, (void *)&other, &length, SOCK_NONBLOCK);
    CHECK(server >= 0 && length == 2 && fcntl(server, F_GETFL) & O_NONBLOCK);
    char bytes[8];
    CHECK(read(server, bytes, 8) == 5);
    FAILS(read(server, bytes, 8), EAGAIN);
    length = sizeof(other);
    CHECK(getpeername(client, (void *)&other, &length) == 0);
    CHECK(strcmp(other.sun_path, "listening") == 0);
    CHECK(length == offsetof(struct sockaddr_un, sun_path) + strlen("listening") + 1);
    struct ucred peer;
    length = sizeof(peer);
    CHECK(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0);
    CHECK(peer.pid == getpid());
    int value = 0;
    length = sizeof(value);
    CHECK(getsockopt(listener, SOL_SOCKET, SO_ACCEPTCONN, &value, &length) == 0 && value == 1);
    CHECK(getsockopt(server, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_STREAM);
    int waiting[3];
    for (int i = 0; i < 3; i++) {
        waiting[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        int outcome = connect(waiting[i], (void *)&name, sizeof(name));
        CHECK(i < 2 ? outcome == 0 : outcome == -1 && errno == EAGAIN);
    }
    close(listener);
    FAILS(read(waiting[0], bytes, 8), ECONNRESET);
    FAILS(connect(waiting[2], (void *)&name, sizeof(name)), ECONNREFUSED);
    for (int i = 0; i < 3; i++)
        close(waiting[i]);
    close(client), close(server);
    CHECK(unlink("listening") == 0);
}

static void abstract_names(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX}, other;
    /* Of all processes of a host only this one has it. */
    int letters = 1 + sprintf(name.sun_path + 1, "wayfarer%d", getpid());
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + letters, length = sizeof(other);
    int receiver = socket(AF_UNIX, SOCK_DGRAM, 0), sender = socket(AF_UNIX, SOCK_DGRAM, 0);
    CHECK(bind(receiver, (void *)&name, size) == 0);
    FAILS(bind(sender, (void *)&name, size), EADDRINUSE);
    FAILS(send(sender, "x", 1, 0), ENOTCONN);
    CHECK(sendto(sender, "one", 3, 0, (void *)&name, size) == 3);
    char bytes[8];
    CHECK(recvfrom(receiver, bytes, 8, 0, (void *)&other, &length) == 3 && length == 0);
    sa_family_t family = AF_UNIX;
    CHECK(bind(sender, (void *)&family, sizeof(family)) == 0);
    length = sizeof(other);
    CHECK(getsockname(sender, (void *)&other, &length) == 0);
    CHECK(length == 8 && other.sun_path[0] == 0);
    CHECK(connect(sender, (void *)&name, size) == 0 && send(sender, "two", 3, 0) == 3);
    length = sizeof(other);
    CHECK(recvfrom(receiver, bytes, 8, 0, (void *)&other, &length) == 3 && length == 8);
    CHECK(sendto(receiver, "back", 4, 0, (void *)&other, length) == 4);
    CHECK(recv(sender, bytes, 8, 0) == 4);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    FAILS(connect(stream, (void *)&name, size), ECONNREFUSED);
    close(receiver);
    FAILS(send(sender, "x", 1, 0), ECONNREFUSED);
    FAILS(connect(sender, (void *)&name, size), ECONNREFUSED);
    close(sender), close(stream);
}

/* Sends a byte with descriptors. */
static void pass(int over, int *fds, size_t count)
{
    union { struct cmsghdr header; char bytes[CMSG_SPACE(8 * sizeof(int))]; } control;
    struct iovec part = {"f", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
                               .cmsg_len = CMSG_LEN(count * sizeof(int))};
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    CHECK(sendmsg(over, &message, 0) == 1);
}

/* Receives one descriptor; -1 if none came, and the flags of the message. */
static int receive(int over, size_t room, int flags, int *told)
{
    union { struct cmsghdr header; char bytes[CMSG_SPACE(8 * sizeof(int))]; } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = room};
    CHECK(recvmsg(over, &message, flags) == 1);
    *told = message.msg_flags;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == NULL)
        return -1;
    CHECK(header->cmsg_type == SCM_RIGHTS && header->cmsg_len == CMSG_LEN(sizeof(int)));
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

static void files_travel(void)
{
    int ends[2], pipe_ends[2], flags;
    char bytes[8];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && pipe(pipe_ends) == 0);
    CHECK(write(ends[0], "ab", 2) == 2);
    pass(ends[0], &pipe_ends[1], 1);
    CHECK(write(ends[0], "cd", 2) == 2);
    close(pipe_ends[1]);
    CHECK(recv(ends[1], bytes, 2, 0) == 2);
    int fd = receive(ends[1], CMSG_SPACE(sizeof(int)), MSG_CMSG_CLOEXEC, &flags);
    CHECK(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && !(flags & MSG_CTRUNC));
    CHECK(write(fd, "through", 7) == 7 && read(pipe_ends[0], bytes, 8) == 7);
    CHECK(read(ends[1], bytes, 8) == 2 && memcmp(bytes, "cd", 2) == 0);
    pass(ends[0], &fd, 1);
    CHECK(receive(ends[1], 0, 0, &flags) == -1 && flags & MSG_CTRUNC);
    /* On their way files are open, and no longer when nobody will receive them. */
    pass(ends[0], &fd, 1);
    close(fd);
    CHECK(revents(pipe_ends[0]) == 0);
    close(ends[1]);
    CHECK(read(pipe_ends[0], bytes, 8) == 0);
    close(ends[0]), close(pipe_ends[0]);
}

static void sockets_in_sockets(void)
{
    int ends[2], pipe_ends[2], both[2];
    char byte;
    CHECK(pipe(pipe_ends) == 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    /* A socket that holds itself, and the end of a pipe: nobody can reach it. */
    both[0] = ends[1], both[1] = pipe_ends[1];
    pass(ends[0], both, 2);
    close(pipe_ends[1]), close(ends[0]), close(ends[1]);
    /* Linux looks for such sockets when another one is closed, and not at once. */
    for (int i = 0; i < 10000 && revents(pipe_ends[0]) == 0; i++) {
        close(socket(AF_UNIX, SOCK_DGRAM, 0));
        usleep(10000);
    }
    CHECK(read(pipe_ends[0], &byte, 1) == 0);
    close(pipe_ends[0]);
}

static void credentials_travel(void)
{
    int ends[2], on = 1;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(setsockopt(ends[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(write(ends[0], "c", 1) != 1);
    CHECK(waitpid(child, NULL, 0) == child && write(ends[0], "p", 1) == 1);
    for (int i = 0; i < 2; i++) {
        union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(struct ucred))]; } control;
        char bytes[8];
        struct iovec part = {bytes, 8};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        /* Bytes of two processes are not received at once. */
        CHECK(recvmsg(ends[1], &message, 0) == 1 && bytes[0] == "cp"[i]);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        CHECK(header != NULL && header->cmsg_type == SCM_CREDENTIALS);
        struct ucred sender;
        memcpy(&sender, CMSG_DATA(header), sizeof(sender));
        CHECK(sender.pid == (i == 0 ? child : getpid()) && sender.uid == getuid());
    }
    close(ends[0]), close(ends[1]);
}

static void edges(void)
{
    int ends[2], ep = epoll_create1(0);
    char bytes[8];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, ends[1], &event) == 0);
    CHECK(epoll_wait(ep, &event, 1, 0) == 0);
    CHECK(write(ends[0], "abc", 3) == 3);
    CHECK(epoll_wait(ep, &event, 1, 0) == 1 && event.events == EPOLLIN);
    CHECK(read(ends[1], bytes, 1) == 1 && epoll_wait(ep, &event, 1, 0) == 0);
    CHECK(shutdown(ends[0], SHUT_WR) == 0);
    CHECK(epoll_wait(ep, &event, 1, 0) == 1 && event.events == (EPOLLIN | EPOLLRDHUP));
    close(ep), close(ends[0]), close(ends[1]);
}

int main(void)
{
    RUN(streams);
    RUN(broken_pipes_and_signals);
    RUN(limits_and_large_transfers);
    RUN(messages);
    RUN(names);
    RUN(abstract_names);
    RUN(files_travel);
    RUN(sockets_in_sockets);
    RUN(credentials_travel);
    RUN(edges);
    return 0;
}
