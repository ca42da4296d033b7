/* chroot(2), and what only the privileged may do: refused to who is not, and here to all. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "check.h"

#define REFUSED(call) CHECK((call) == -1 && errno == EPERM)
/* What a kernel may be built without. */
#define REFUSED_OR_ABSENT(call) CHECK((call) == -1 && (errno == EPERM || errno == ENOSYS))

static char above[4096];

static int reads(const char *path, char wanted)
{
    char byte = 0;
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && read(fd, &byte, 1) == 1 && close(fd) == 0);
    return byte == wanted;
}

static void write_file(const char *path, char byte)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    CHECK(fd >= 0 && write(fd, &byte, 1) == 1 && close(fd) == 0);
}

static void jailed_child(void)
{
    char path[4096];
    int outside = open(".", O_PATH);
    CHECK(chroot("jail") == 0);
    CHECK(syscall(SYS_getcwd, path, sizeof(path)) > 0);
    CHECK(strncmp(path, "(unreachable)/", 14) == 0 && reads("file", 'o'));
    CHECK(reads("/file", 'i') && reads("/../../file", 'i') && reads("/link", 'i'));
    CHECK(chdir("/") == 0 && getcwd(path, sizeof(path)) != NULL && strcmp(path, "/") == 0);
    CHECK(reads("../file", 'i') && chdir("sub") == 0 && reads("../../file", 'i'));
    CHECK(getcwd(path, sizeof(path)) != NULL && strcmp(path, "/sub") == 0);
    CHECK(open("/jail/file", O_RDONLY) == -1 && errno == ENOENT);
    CHECK(chroot("/file") == -1 && errno == ENOTDIR && chroot("/none") == -1 && errno == ENOENT);
    int fd = openat(outside, "file", O_RDONLY);
    CHECK(fd >= 0 && read(fd, path, 1) == 1 && path[0] == 'o');
    /* A child is as confined, and what is deeper confines more. */
    pid_t child = fork();
    if (child == 0)
        _exit(chroot(".") != 0 || chdir("/") != 0 || access("/file", F_OK) == 0);
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0 && reads("/file", 'i'));
}

static void jail(void)
{
    char path[4096], proc[64], wanted[8192];
    CHECK(getcwd(above, sizeof(above)) != NULL);
    CHECK(mkdir("jail", 0755) == 0 && mkdir("jail/sub", 0755) == 0);
    write_file("file", 'o'), write_file("jail/file", 'i');
    CHECK(symlink("/file", "jail/link") == 0);
    in_child(jailed_child);
    int ends[2], back[2];
    char byte;
    CHECK(pipe(ends) == 0 && pipe(back) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(chroot("jail") != 0 || write(ends[1], "x", 1) != 1 || read(back[0], &byte, 1) != 1);
    CHECK(read(ends[0], &byte, 1) == 1);
    sprintf(proc, "/proc/%d/root", child), sprintf(wanted, "%s/jail", above);
    ssize_t length = readlink(proc, path, sizeof(path));
    CHECK(length == (ssize_t)strlen(wanted) && memcmp(path, wanted, length) == 0);
    int status;
    CHECK(write(back[1], "x", 1) == 1 && waitpid(child, &status, 0) == child && status == 0);
    CHECK(unlink("jail/link") == 0 && unlink("jail/file") == 0 && unlink("file") == 0);
    CHECK(rmdir("jail/sub") == 0 && rmdir("jail") == 0);
}

static void refused_child(void)
{
    struct timespec time = {.tv_sec = 1000000000};
    struct timeval old_time = {.tv_sec = 1000000000};
    CHECK(setuid(54321) == 0);
    REFUSED(chroot("/"));
    REFUSED(mount("none", "/", "tmpfs", 0, NULL));
    REFUSED(umount2("/", MNT_DETACH));
    REFUSED(syscall(SYS_pivot_root, "/", "/"));
    REFUSED(unshare(CLONE_NEWUTS));
    REFUSED(sethostname("other", 5));
    REFUSED(setdomainname("other", 5));
    REFUSED(clock_settime(CLOCK_REALTIME, &time));
    REFUSED(settimeofday(&old_time, NULL));
    REFUSED_OR_ABSENT(swapon("/", 0));
    REFUSED_OR_ABSENT(swapoff("/"));
    REFUSED_OR_ABSENT(reboot(RB_DISABLE_CAD));
    REFUSED_OR_ABSENT(iopl(3));
    REFUSED_OR_ABSENT(ioperm(0, 1, 1));
    REFUSED_OR_ABSENT(vhangup());
    REFUSED_OR_ABSENT(syscall(SYS_init_module, NULL, 0, NULL));
    REFUSED_OR_ABSENT(syscall(SYS_delete_module, "none", O_NONBLOCK));
    REFUSED_OR_ABSENT(syscall(SYS_kexec_load, 0, 0, NULL, 0));
}

static void refused(void) { in_child(refused_child); }

static void nothing_shared(void)
{
    CHECK(unshare(0) == 0 && unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM) == 0);
    CHECK(unshare(CLONE_THREAD) == 0 && unshare(1) == -1 && errno == EINVAL);
}

static void keys(void)
{
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_WRITE, -1) == 0);
    *(char *)page = 1;
    CHECK(syscall(SYS_pkey_mprotect, page, 4096, PROT_READ, 17) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_pkey_alloc, 1, 0) == -1 && (errno == EINVAL || errno == ENOSPC));
    CHECK(syscall(SYS_pkey_free, 17) == -1 && errno == EINVAL);
}

int main(void)
{
    if (getuid() == 0) {
        RUN(jail);
        RUN(refused);
    } else {
        /* Nothing of this can be seen by who is not root. */
        printf("ok jail\nok refused\n");
    }
    RUN(nothing_shared);
    RUN(keys);
    return 0;
}
