/* Users, groups and capabilities, and what they permit. Begins as root, as the tests do. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "check.h"

static void are_users(uid_t real, uid_t effective, uid_t saved)
{
    uid_t r, e, s;
    CHECK(getresuid(&r, &e, &s) == 0 && r == real && e == effective && s == saved);
    CHECK(getuid() == real && geteuid() == effective);
}

static void are_groups(gid_t real, gid_t effective, gid_t saved)
{
    gid_t r, e, s;
    CHECK(getresgid(&r, &e, &s) == 0 && r == real && e == effective && s == saved);
    CHECK(getgid() == real && getegid() == effective);
}

static void for_a_while_child(void)
{
    CHECK(setresuid(-1, 1000, -1) == 0);
    are_users(0, 1000, 0);
    CHECK(setuid(1001) == -1 && errno == EPERM);
    CHECK(seteuid(0) == 0);
    are_users(0, 0, 0);
    CHECK(setreuid(1000, 1001) == 0);
    are_users(1000, 1001, 1001);
    CHECK(setreuid(1001, -1) == 0 && setreuid(0, -1) == -1 && errno == EPERM);
}

static void for_ever_child(void)
{
    gid_t groups[2] = {7, 8}, found[4];
    CHECK(setgroups(2, groups) == 0 && getgroups(0, NULL) == 2);
    CHECK(getgroups(1, found) == -1 && errno == EINVAL);
    CHECK(getgroups(4, found) == 2 && found[0] == 7 && found[1] == 8);
    CHECK(setregid(20, 21) == 0);
    are_groups(20, 21, 21);
    CHECK(setresgid(30, 30, 30) == 0 && setgid(31) == 0);
    are_groups(31, 31, 31);
    CHECK(setuid(1000) == 0);
    are_users(1000, 1000, 1000);
    CHECK(setuid(0) == -1 && errno == EPERM && setgid(0) == -1 && errno == EPERM);
    CHECK(setgroups(0, NULL) == -1 && errno == EPERM);
    CHECK(setresuid(0, 0, 0) == -1 && errno == EPERM);
    are_groups(31, 31, 31);
    CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
    /* Whoever runs the tests may be nice already. */
    CHECK(setpriority(PRIO_PROCESS, 0, 19) == 0);
    CHECK(setpriority(PRIO_PROCESS, 0, 18) == -1 && (errno == EACCES || errno == EPERM));
}

static void files_child(void)
{
    struct stat about;
    CHECK(setfsgid(50) == 0 && setfsgid(-1) == 50);
    CHECK(setfsuid(1000) == 0 && setfsuid(-1) == 1000);
    are_users(0, 0, 0);
    int fd = open("open/own", O_CREAT | O_RDWR | O_EXCL, 0600);
    CHECK(fd >= 0 && fstat(fd, &about) == 0 && about.st_uid == 1000 && about.st_gid == 50);
    CHECK(close(fd) == 0);
    CHECK(open("secret", O_RDONLY) == -1 && errno == EACCES);
    CHECK(open("public", O_RDONLY) >= 0 && open("public", O_WRONLY) == -1 && errno == EACCES);
    CHECK(open("public", O_RDONLY | O_TRUNC) == -1 && errno == EACCES);
    CHECK(truncate("public", 0) == -1 && errno == EACCES);
    CHECK(open("closed/file", O_RDONLY) == -1 && errno == EACCES);
    CHECK(stat("closed/file", &about) == -1 && errno == EACCES);
    CHECK(mkdir("directory", 0700) == -1 && errno == EACCES);
    CHECK(unlink("public") == -1 && errno == EACCES);
    CHECK(rename("open/own", "own") == -1 && errno == EACCES);
    CHECK(chdir("closed") == -1 && errno == EACCES);
}

static void as_a_user_child(void)
{
    CHECK(setgroups(0, NULL) == 0 && setgid(50) == 0 && setuid(1000) == 0);
    CHECK(access("secret", R_OK) == -1 && errno == EACCES && access("secret", F_OK) == 0);
    CHECK(access("public", R_OK) == 0 && access("public", W_OK) == -1 && errno == EACCES);
    CHECK(chmod("public", 0666) == -1 && errno == EPERM);
    CHECK(chmod("open/own", 0640) == 0);
    CHECK(chown("open/own", 0, 0) == -1 && errno == EPERM);
    CHECK(chown("open/own", -1, 50) == 0);
    CHECK(utimensat(AT_FDCWD, "public", NULL, 0) == -1 && errno == EACCES);
    CHECK(unlink("sticky/roots") == -1 && errno == EPERM);
    CHECK(rename("sticky/roots", "sticky/mine") == -1 && errno == EPERM);
    int fd = open("sticky/mine", O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && close(fd) == 0 && unlink("sticky/mine") == 0);
    CHECK(execl("public", "public", NULL) == -1 && errno == EACCES);
    CHECK(unlink("open/own") == 0);
}

static void touch(const char *path, mode_t mode)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    CHECK(fd >= 0 && close(fd) == 0 && chmod(path, mode) == 0);
}

static void for_a_while(void) { in_child(for_a_while_child); }
static void for_ever(void) { in_child(for_ever_child); }

static void files(void)
{
    /* Who is nobody here must reach this directory. */
    CHECK(chmod(".", 0755) == 0);
    umask(0);
    touch("secret", 0600), touch("public", 0644);
    CHECK(mkdir("closed", 0700) == 0 && mkdir("open", 0777) == 0 && mkdir("sticky", 01777) == 0);
    touch("closed/file", 0666), touch("sticky/roots", 0666);
    in_child(files_child);
    in_child(as_a_user_child);
    CHECK(unlink("closed/file") == 0 && unlink("sticky/roots") == 0);
    CHECK(rmdir("closed") == 0 && rmdir("open") == 0 && rmdir("sticky") == 0);
    CHECK(unlink("secret") == 0 && unlink("public") == 0);
}

static void capabilities_child(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    CHECK(syscall(SYS_capget, &header, data) == 0);
    CHECK(data[0].effective & 1 << CAP_CHOWN && data[0].permitted & 1 << CAP_CHOWN);
    uint32_t permitted = data[0].permitted;
    data[0].effective = 0;
    CHECK(syscall(SYS_capset, &header, data) == 0);
    CHECK(setgroups(0, NULL) == -1 && errno == EPERM);
    data[0].effective = permitted;
    CHECK(syscall(SYS_capset, &header, data) == 0 && setgroups(0, NULL) == 0);
    data[0].effective = data[0].permitted = 1 << CAP_SETUID;
    CHECK(syscall(SYS_capset, &header, data) == 0);
    data[0].permitted = permitted;
    CHECK(syscall(SYS_capset, &header, data) == -1 && errno == EPERM);
    header.version = 1;
    CHECK(syscall(SYS_capget, &header, data) == -1 && errno == EINVAL);
    CHECK(header.version == _LINUX_CAPABILITY_VERSION_3);
    CHECK(prctl(PR_CAPBSET_READ, CAP_CHOWN, 0, 0, 0) == 1);
    CHECK(prctl(PR_CAPBSET_READ, 77, 0, 0, 0) == -1 && errno == EINVAL);
}

static void kept_child(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    CHECK(prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0) == 0 && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0);
    CHECK(setuid(1000) == 0 && syscall(SYS_capget, &header, data) == 0);
    CHECK(data[0].effective == 0 && data[0].permitted & 1 << CAP_CHOWN);
}

static void capabilities(void)
{
    in_child(capabilities_child);
    in_child(kept_child);
}

/* Somebody else's processes are neither to be signalled nor scheduled. */
static void others_child(void)
{
    const uid_t somebody = 54321;
    pid_t root = getppid();
    errno = 0;
    CHECK(getpriority(PRIO_USER, somebody) == -1 && errno == ESRCH);
    CHECK(setuid(somebody) == 0 && setpriority(PRIO_PROCESS, 0, 3) == 0);
    CHECK(getpriority(PRIO_USER, 0) == 3 && getpriority(PRIO_USER, somebody) == 3);
    CHECK(setpriority(PRIO_PROCESS, root, 5) == -1 && errno == EPERM);
    CHECK(syscall(SYS_ioprio_set, 1, root, 0) == -1 && errno == EPERM);
    CHECK(kill(root, 0) == -1 && errno == EPERM);
    CHECK(kill(-1, 0) == 0);
}

static void others(void) { in_child(others_child); }

static struct ucred peer_of(int socket)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    CHECK(getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0);
    return peer;
}

static int is_peer(int socket, pid_t pid, uid_t uid, gid_t gid)
{
    struct ucred peer = peer_of(socket);
    return peer.pid == pid && peer.uid == uid && peer.gid == gid;
}

/* Sends a byte with these credentials, or with what the kernel says if there are none. */
static int send_as(int socket, const struct ucred *claimed)
{
    union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(struct ucred))]; } control = {
        .header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_CREDENTIALS,
                   .cmsg_len = CMSG_LEN(sizeof(struct ucred))}};
    struct iovec part = {"c", 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (claimed != NULL) {
        memcpy(CMSG_DATA(&control.header), claimed, sizeof(*claimed));
        message.msg_control = &control, message.msg_controllen = sizeof(control);
    }
    return sendmsg(socket, &message, 0);
}

/* The credentials that come with a byte. */
static struct ucred sender_of(int socket)
{
    union { struct cmsghdr header; char bytes[CMSG_SPACE(sizeof(struct ucred))]; } control;
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    CHECK(recvmsg(socket, &message, 0) == 1);
    struct ucred sender;
    memcpy(&sender, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(sender));
    return sender;
}

static const struct sockaddr_un HALL = {.sun_family = AF_UNIX, .sun_path = "hall"};

static void caller_child(void)
{
    int client = socket(AF_UNIX, SOCK_STREAM, 0), ends[2];
    CHECK(setresgid(20, 21, -1) == 0 && setresuid(1000, 1001, 0) == 0);
    CHECK(connect(client, (const void *)&HALL, sizeof(HALL)) == 0);
    CHECK(is_peer(client, getppid(), 0, 0));
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && is_peer(ends[1], getpid(), 1001, 21));
    /* What the peer was told stays, whoever the caller becomes. */
    CHECK(seteuid(0) == 0 && is_peer(ends[0], getpid(), 1001, 21) && seteuid(1001) == 0);
    struct ucred own = {getpid(), 1001, 21}, false_pid = {getppid(), 1001, 21};
    struct ucred false_user = {getpid(), 2, 21}, false_group = {getpid(), 1001, 2};
    CHECK(send_as(client, NULL) == 1 && send_as(client, &own) == 1);
    CHECK(send_as(client, &false_pid) == -1 && errno == EPERM);
    CHECK(send_as(client, &false_user) == -1 && errno == EPERM);
    CHECK(send_as(client, &false_group) == -1 && errno == EPERM);
    CHECK(seteuid(0) == 0);
    struct ucred nobody = {999999, 2, 3}, parent = {getppid(), 2, 3};
    CHECK(send_as(client, &nobody) == -1 && errno == ESRCH && send_as(client, &parent) == 1);
}

static void peers(void)
{
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), on = 1, status;
    CHECK(is_peer(listener, 0, -1, -1));
    CHECK(bind(listener, (const void *)&HALL, sizeof(HALL)) == 0 && listen(listener, 1) == 0);
    CHECK(chmod(HALL.sun_path, 0666) == 0);
    CHECK(setsockopt(listener, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
    pid_t child = fork();
    if (child == 0) {
        caller_child();
        _exit(0);
    }
    int server = accept(listener, NULL, NULL);
    CHECK(server >= 0 && is_peer(server, child, 1001, 21));
    CHECK(setsockopt(server, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0);
    struct ucred sender = sender_of(server);
    CHECK(sender.pid == child && sender.uid == 1000 && sender.gid == 20);
    sender = sender_of(server);
    CHECK(sender.pid == child && sender.uid == 1001 && sender.gid == 21);
    sender = sender_of(server);
    CHECK(sender.pid == getpid() && sender.uid == 2 && sender.gid == 3);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(listener), close(server);
    CHECK(unlink(HALL.sun_path) == 0);
}

int main(int argc, char **argv)
{
    (void)argc, (void)argv;
    if (getuid() != 0) {
        /* Nothing of this can be seen by who is not root. */
        printf("ok for_a_while\nok for_ever\nok files\nok capabilities\nok others\n"
               "ok peers\n");
        return 0;
    }
    RUN(for_a_while);
    RUN(for_ever);
    RUN(files);
    RUN(capabilities);
    RUN(others);
    RUN(peers);
    return 0;
}
