/* execveat(2), fexecve(3), and what a program is told of how it was found. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

static char self[4096];

/* Executes this program, which says with its status whether it found its arguments as wanted. */
static int execute(int directory, const char *path, int flags, char *wanted)
{
    char *argv[] = {"exec", wanted, NULL}, *envp[] = {"FROM=here", NULL};
    int status;
    pid_t child = fork();
    if (child == 0) {
        syscall(SYS_execveat, directory, path, argv, envp, flags);
        _exit(errno);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

enum { FOUND = 200, DIFFERS = 201 };

static int executed(int argc, char **argv)
{
    char name[16] = "";
    prctl(PR_GET_NAME, name);
    if (strcmp(argv[1], "plain") == 0)
        return argc == 2 && strcmp(getenv("FROM"), "here") == 0 ? FOUND : DIFFERS;
    if (strcmp(argv[1], "name") == 0)
        return strcmp(name, argv[2] + 2) == 0 ? FOUND : DIFFERS;
    /* As an interpreter: what was wanted comes after the path of the script. */
    return argc == 4 && strcmp(argv[2], argv[3]) == 0 ? FOUND : DIFFERS;
}

static void by_path(void)
{
    CHECK(execute(AT_FDCWD, self, 0, "plain") == FOUND);
    CHECK(symlink(self, "link") == 0 && execute(AT_FDCWD, "link", 0, "plain") == FOUND);
    CHECK(execute(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW, "plain") == ELOOP);
    CHECK(mkdir("directory", 0700) == 0);
    int directory = open("directory", O_PATH);
    CHECK(execute(directory, "../link", 0, "plain") == FOUND);
    CHECK(execute(directory, self, 0, "plain") == FOUND && execute(-1, self, 0, "plain") == FOUND);
    CHECK(execute(directory, "", 0, "plain") == ENOENT);
    CHECK(execute(directory, "", AT_EMPTY_PATH, "plain") == EACCES);
    CHECK(execute(directory, "none", 0, "plain") == ENOENT);
    CHECK(execute(-1, "link", 0, "plain") == EBADF);
    CHECK(execute(AT_FDCWD, "link", 1, "plain") == EINVAL);
    CHECK(close(directory) == 0 && unlink("link") == 0 && rmdir("directory") == 0);
}

static void by_descriptor(void)
{
    int fd = open(self, O_PATH | O_CLOEXEC);
    CHECK(fd >= 0 && execute(fd, "", AT_EMPTY_PATH, "plain") == FOUND);
    CHECK(execute(fd, "none", 0, "plain") == ENOTDIR);
    close(fd);
    fd = open(self, O_RDONLY);
    int copy = memfd_create("copy", MFD_CLOEXEC), status;
    struct stat about;
    CHECK(fd >= 0 && fstat(fd, &about) == 0);
    for (off_t at = 0; at < about.st_size;)
        CHECK(sendfile(copy, fd, &at, about.st_size - at) > 0);
    CHECK(execute(copy, "", AT_EMPTY_PATH, "plain") == FOUND);
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = {"exec", "plain", NULL}, *envp[] = {"FROM=here", NULL};
        fexecve(copy, argv, envp);
        _exit(errno);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == FOUND);
    close(fd), close(copy);
}

static void write_script(const char *path, const char *argument)
{
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0700);
    CHECK(dprintf(fd, "#!%s %s\n", self, argument) > 0 && close(fd) == 0);
}

static void scripts(void)
{
    write_script("script", "path");
    char wanted[64];
    CHECK(execute(AT_FDCWD, "./script", 0, "./script") == FOUND);
    int fd = open("script", O_RDONLY);
    sprintf(wanted, "/dev/fd/%d", fd);
    CHECK(execute(fd, "", AT_EMPTY_PATH, wanted) == FOUND);
    /* The interpreter could not open what is closed when it begins. */
    CHECK(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
    CHECK(execute(fd, "", AT_EMPTY_PATH, wanted) == ENOENT);
    close(fd);
    fd = open(".", O_PATH);
    sprintf(wanted, "/dev/fd/%d/script", fd);
    CHECK(execute(fd, "script", 0, wanted) == FOUND);
    close(fd);
    /* A process is called as the script, not as its interpreter. */
    write_script("script", "name");
    CHECK(execute(AT_FDCWD, "./script", 0, "unused") == FOUND);
    CHECK(unlink("script") == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return executed(argc, argv);
    ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);
    CHECK(length > 0);
    RUN(by_path);
    RUN(by_descriptor);
    RUN(scripts);
    return 0;
}
