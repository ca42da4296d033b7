/* AF_INET sockets (ip(7), tcp(7), udp(7)) between processes of one machine. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "check.h"

#define FAILS(call, error) CHECK((call) == -1 && errno == (error))

static int revents(int fd, int timeout)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};
    CHECK(poll(&poll_fd, 1, timeout) >= 0);
    return poll_fd.revents;
}

/* Waits for events of a connection, which may take a moment even on one machine. */
static int becomes(int fd, int wanted)
{
    for (int i = 0; i < 20000 && revents(fd, 0) != wanted; i++)
        usleep(5000);
    return revents(fd, 0) == wanted;
}

static struct sockaddr_in address(const char *ip, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    CHECK(inet_pton(AF_INET, ip, &address.sin_addr) == 1);
    return address;
}

static struct sockaddr_in local(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    CHECK(getsockname(fd, (void *)&address, &length) == 0 && length == sizeof(address));
    return address;
}

static int pending_error(int fd)
{
    int error = -1;
    socklen_t length = sizeof(error);
    CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
    return error;
}

/* A listener on a free port. */
static int listener(struct sockaddr_in *at)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *at = address("127.0.0.1", 0);
    CHECK(bind(fd, (void *)at, sizeof(*at)) == 0 && listen(fd, 16) == 0);
    *at = local(fd);
    CHECK(at->sin_port != 0);
    return fd;
}

/* A connection: the client's end and the server's. */
static void connected(int ends[2])
{
    struct sockaddr_in at;
    int fd = listener(&at);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(ends[0], (void *)&at, sizeof(at)) == 0);
    ends[1] = accept(fd, NULL, NULL);
    CHECK(ends[1] >= 0);
    close(fd);
}

static void connections(void)
{
    struct sockaddr_in at, peer;
    socklen_t length = sizeof(peer);
    char bytes[16];
    int fd = listener(&at), client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    CHECK(revents(client, 0) == (POLLOUT | POLLHUP) && revents(fd, 0) == 0);
    FAILS(recv(client, bytes, 1, 0), ENOTCONN);
    signal(SIGPIPE, SIG_IGN);
    FAILS(send(client, "x", 1, 0), EPIPE);
    FAILS(getpeername(client, (void *)&peer, &length), ENOTCONN);
    CHECK(connect(client, (void *)&at, sizeof(at)) == 0);
    FAILS(connect(client, (void *)&at, sizeof(at)), EISCONN);
    CHECK(becomes(fd, POLLIN));
    int server = accept4(fd, (void *)&peer, &length, SOCK_CLOEXEC);
    CHECK(server >= 0 && fcntl(server, F_GETFD) == FD_CLOEXEC);
    CHECK(peer.sin_port == local(client).sin_port && length == sizeof(peer));
    CHECK(local(client).sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(local(server).sin_port == at.sin_port);
    CHECK(write(client, "request", 7) == 7 && recv(server, bytes, 7, MSG_WAITALL) == 7);
    CHECK(write(server, "reply", 5) == 5 && recv(client, bytes, 5, MSG_WAITALL) == 5);
    CHECK(revents(client, 0) == POLLOUT);
    length = sizeof(peer);
    CHECK(recvfrom(client, bytes, 1, MSG_DONTWAIT, (void *)&peer, &length) == -1);
    int busy = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(bind(busy, (void *)&at, sizeof(at)), EADDRINUSE);
    peer = address("192.0.2.1", 0);
    FAILS(bind(busy, (void *)&peer, sizeof(peer)), EADDRNOTAVAIL);
    FAILS(accept(busy, NULL, NULL), EINVAL);
    FAILS(shutdown(busy, SHUT_WR), ENOTCONN);
    FAILS(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
    FAILS(socket(AF_INET, SOCK_SEQPACKET, 0), ESOCKTNOSUPPORT);
    close(fd), close(client), close(server), close(busy);
    client = socket(AF_INET, SOCK_STREAM, 0);
    FAILS(connect(client, (void *)&at, sizeof(at)), ECONNREFUSED);
    close(client);
}

static void without_blocking(void)
{
    struct sockaddr_in at;
    int fd = listener(&at), client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(connect(client, (void *)&at, sizeof(at)), EINPROGRESS);
    CHECK(becomes(client, POLLOUT) && pending_error(client) == 0);
    int server = accept(fd, NULL, NULL);
    char byte;
    FAILS(read(client, &byte, 1), EAGAIN);
    close(server), close(client), close(fd);
    client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    FAILS(connect(client, (void *)&at, sizeof(at)), EINPROGRESS);
    CHECK(becomes(client, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
    CHECK(pending_error(client) == ECONNREFUSED && pending_error(client) == 0);
    close(client);
    fd = listener(&at);
    CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
    FAILS(accept(fd, NULL, NULL), EAGAIN);
    close(fd);
}

static void ends_of_connections(void)
{
    int ends[2];
    char bytes[16];
    connected(ends);
    CHECK(write(ends[0], "last", 4) == 4 && shutdown(ends[0], SHUT_WR) == 0);
    FAILS(write(ends[0], "x", 1), EPIPE);
    CHECK(recv(ends[1], bytes, 4, MSG_WAITALL) == 4 && read(ends[1], bytes, 1) == 0);
    CHECK(becomes(ends[1], POLLIN | POLLOUT | POLLRDHUP));
    CHECK(write(ends[1], "answer", 6) == 6 && recv(ends[0], bytes, 6, MSG_WAITALL) == 6);
    close(ends[1]);
    CHECK(becomes(ends[0], POLLIN | POLLOUT | POLLRDHUP | POLLHUP));
    CHECK(read(ends[0], bytes, 1) == 0);
    close(ends[0]);
    /* A peer that closes: one more write goes out, and comes back as a reset. */
    connected(ends);
    close(ends[1]);
    CHECK(becomes(ends[0], POLLIN | POLLOUT | POLLRDHUP));
    CHECK(write(ends[0], "x", 1) == 1);
    CHECK(becomes(ends[0], POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
    FAILS(write(ends[0], "x", 1), EPIPE);
    CHECK(read(ends[0], bytes, 1) == 0);
    close(ends[0]);
    /* Bytes that nobody has read are a reset. */
    connected(ends);
    CHECK(write(ends[0], "unread", 6) == 6 && write(ends[1], "read", 4) == 4);
    CHECK(becomes(ends[1], POLLIN | POLLOUT));
    close(ends[1]);
    CHECK(becomes(ends[0], POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
    close(ends[0]);
    connected(ends);
    struct linger linger = {1, 0};
    CHECK(setsockopt(ends[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    close(ends[1]);
    CHECK(becomes(ends[0], POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP));
    FAILS(read(ends[0], bytes, 1), ECONNRESET);
    CHECK(read(ends[0], bytes, 1) == 0);
    FAILS(write(ends[0], "x", 1), EPIPE);
    close(ends[0]);
}

static void options(void)
{
    int ends[2], value = 1, got = 0;
    socklen_t length = sizeof(got);
    connected(ends);
    CHECK(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, sizeof(value)) == 0);
    CHECK(getsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &got, &length) == 0 && got == 1);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_KEEPALIVE, &value, sizeof(value)) == 0);
    value = 30;
    CHECK(setsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &value, sizeof(value)) == 0);
    CHECK(getsockopt(ends[0], IPPROTO_TCP, TCP_KEEPIDLE, &got, &length) == 0 && got == 30);
    CHECK(getsockopt(ends[0], SOL_SOCKET, SO_PROTOCOL, &got, &length) == 0 && got == IPPROTO_TCP);
    CHECK(getsockopt(ends[0], SOL_SOCKET, SO_DOMAIN, &got, &length) == 0 && got == AF_INET);
    value = 10000;
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof(value)) == 0);
    CHECK(getsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &got, &length) == 0 && got == 20000);
    FAILS(setsockopt(ends[0], SOL_SOCKET, SO_TYPE, &value, sizeof(value)), ENOPROTOOPT);
    FAILS(setsockopt(ends[0], SOL_SOCKET, SO_REUSEADDR, &value, 1), EINVAL);
    struct timeval limit = {0, 20000};
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    char byte;
    FAILS(read(ends[0], &byte, 1), EAGAIN);
    close(ends[0]), close(ends[1]);
}

static void large_transfer(void)
{
    static char out[1000000], in[1000000];
    int ends[2], status;
    for (size_t i = 0; i < sizeof(out); i++)
        out[i] = i * 13 + i / 509;
    connected(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        _exit(write(ends[0], out, sizeof(out)) != (ssize_t)sizeof(out));
    }
    close(ends[0]);
    CHECK(recv(ends[1], in, sizeof(in), MSG_WAITALL) == (ssize_t)sizeof(in));
    CHECK(memcmp(in, out, sizeof(in)) == 0 && read(ends[1], in, 1) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(ends[1]);
}

static void datagrams(void)
{
    struct sockaddr_in at = address("127.0.0.1", 0), from;
    socklen_t length = sizeof(from);
    char bytes[16];
    int one = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(bind(one, (void *)&at, sizeof(at)) == 0 && revents(one, 0) == POLLOUT);
    at = local(one);
    FAILS(send(other, "x", 1, 0), EDESTADDRREQ);
    CHECK(sendto(other, "first", 5, 0, (void *)&at, sizeof(at)) == 5);
    CHECK(sendto(other, "", 0, 0, (void *)&at, sizeof(at)) == 0);
    CHECK(becomes(one, POLLIN | POLLOUT));
    CHECK(recvfrom(one, bytes, 3, MSG_TRUNC, (void *)&from, &length) == 5);
    CHECK(from.sin_port == local(other).sin_port && length == sizeof(from));
    CHECK(from.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
    CHECK(recv(one, bytes, 16, 0) == 0);
    FAILS(recv(one, bytes, 16, MSG_DONTWAIT), EAGAIN);
    CHECK(connect(one, (void *)&from, sizeof(from)) == 0 && send(one, "back", 4, 0) == 4);
    CHECK(recv(other, bytes, 16, 0) == 4);
    int third = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(sendto(third, "stranger", 8, 0, (void *)&at, sizeof(at)) == 8);
    FAILS(recv(one, bytes, 16, MSG_DONTWAIT), EAGAIN);
    static char large[65508];
    FAILS(sendto(third, large, sizeof(large), 0, (void *)&at, sizeof(at)), EMSGSIZE);
    close(other);
    CHECK(send(one, "x", 1, 0) == 1);
    CHECK(becomes(one, POLLOUT | POLLERR));
    FAILS(send(one, "x", 1, 0), ECONNREFUSED);
    CHECK(pending_error(one) == 0 || 1);
    close(one), close(third);
}

static void many_clients(void)
{
    enum { CLIENTS = 20, ROUNDS = 10 };
    struct sockaddr_in at;
    int fd = listener(&at), ep = epoll_create1(0), open = 0, accepted = 0, status;
    for (int i = 0; i < CLIENTS; i++) {
        if (fork() == 0) {
            char bytes[8];
            int client = socket(AF_INET, SOCK_STREAM, 0);
            CHECK(connect(client, (void *)&at, sizeof(at)) == 0);
            for (int round = 0; round < ROUNDS; round++) {
                CHECK(write(client, "question", 8) == 8);
                CHECK(recv(client, bytes, 8, MSG_WAITALL) == 8 && !memcmp(bytes, "question", 8));
            }
            _exit(0);
        }
    }
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd}, events[8];
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) == 0);
    while (accepted < CLIENTS || open > 0) {
        int count = epoll_wait(ep, events, 8, -1);
        CHECK(count > 0);
        for (int i = 0; i < count; i++) {
            int ready = events[i].data.fd;
            char bytes[64];
            if (ready == fd) {
                event.data.fd = accept(fd, NULL, NULL);
                CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, event.data.fd, &event) == 0);
                accepted++, open++;
                continue;
            }
            ssize_t got = read(ready, bytes, sizeof(bytes));
            CHECK(got >= 0 && (got == 0 || write(ready, bytes, got) == got));
            if (got == 0)
                close(ready), open--;
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        CHECK(wait(&status) > 0 && status == 0);
    close(fd), close(ep);
}

/* The state of the connection between these ports in /proc/net/tcp, and the inode of its line. */
static unsigned state_now(int from, int to, unsigned long *inode)
{
    char line[256];
    unsigned port, peer, state, found = 0;
    FILE *tcp = fopen("/proc/net/tcp", "r");
    CHECK(tcp != NULL);
    while (!found && fgets(line, sizeof line, tcp) != NULL)
        if (sscanf(line, "%*d: %*x:%x %*x:%x %x %*s %*s %*s %*d %*d %lu", &port, &peer, &state,
                   inode) == 4 && port == ntohs(from) && peer == ntohs(to))
            found = state;
    CHECK(fclose(tcp) == 0);
    return found;
}

/* The same once both ends have heard of the connection. */
static unsigned state_between(int from, int to, unsigned long *inode)
{
    unsigned state;
    for (int i = 0; i < 20000 && (state = state_now(from, to, inode)) % 3 == 0; i++)
        usleep(5000);
    return state;
}

static long established(void)
{
    char names[512], values[512], *end_of_name, *end_of_value;
    FILE *snmp = fopen("/proc/net/snmp", "r");
    CHECK(snmp != NULL);
    do {
        CHECK(fgets(names, sizeof names, snmp) != NULL);
        CHECK(fgets(values, sizeof values, snmp) != NULL);
    } while (strncmp(names, "Tcp:", 4) != 0);
    CHECK(fclose(snmp) == 0);
    char *name = strtok_r(names, " \n", &end_of_name);
    char *value = strtok_r(values, " \n", &end_of_value);
    while (strcmp(name, "CurrEstab") != 0) {
        name = strtok_r(NULL, " \n", &end_of_name), value = strtok_r(NULL, " \n", &end_of_value);
        CHECK(name != NULL && value != NULL);
    }
    return atol(value);
}

static void told_of(void)
{
    struct sockaddr_in at;
    unsigned long inode = 0;
    int listening = listener(&at), client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(state_between(at.sin_port, 0, &inode) == 10 && inode != 0);
    CHECK(connect(client, (void *)&at, sizeof at) == 0);
    int port = local(client).sin_port;
    CHECK(state_between(port, at.sin_port, &inode) == 1 && inode != 0);
    /* Nobody has accepted it: it is there, and no file yet. */
    CHECK(state_between(at.sin_port, port, &inode) == 1 && inode == 0);
    CHECK(established() >= 2);
    int accepted = accept(listening, NULL, NULL);
    CHECK(accepted >= 0);
    CHECK(state_between(at.sin_port, port, &inode) == 1 && inode != 0);
    CHECK(close(accepted) == 0 && close(client) == 0 && close(listening) == 0);
}

int main(void)
{
    RUN(connections);
    RUN(without_blocking);
    RUN(ends_of_connections);
    RUN(options);
    RUN(large_transfer);
    RUN(datagrams);
    RUN(many_clients);
    RUN(told_of);
    return 0;
}
