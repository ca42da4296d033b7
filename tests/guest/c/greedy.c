/* Programs that want too much: processes, memory, descriptors, directories, files. The node refuses
   them with the right error, and who runs beside them is not disturbed. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#define DEPTH 300
#define FILES 2000
#define MOST 500

static pid_t beside;

/* A process that counts, and says so when it is told to end. */
static void start_beside(int ends[2])
{
    CHECK(pipe(ends) == 0);
    beside = fork();
    CHECK(beside >= 0);
    if (beside == 0) {
        unsigned long count = 0;
        sigset_t end;
        struct timespec moment = {0, 1000000};
        sigemptyset(&end), sigaddset(&end, SIGUSR1);
        CHECK(write(ends[1], "r", 1) == 1);
        while (sigtimedwait(&end, NULL, &moment) != SIGUSR1)
            count++;
        _exit(count > 0 ? 3 : 4);
    }
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
}

static void processes(void)
{
    pid_t children[MOST];
    int made = 0, status;
    for (; made < MOST; made++) {
        children[made] = fork();
        if (children[made] == 0)
            for (;;)
                pause();
        if (children[made] < 0)
            break;
    }
    CHECK(made == MOST || errno == EAGAIN || errno == ENOMEM);
    for (int i = 0; i < made; i++)
        CHECK(kill(children[i], SIGKILL) == 0);
    for (int i = 0; i < made; i++)
        CHECK(waitpid(children[i], &status, 0) == children[i] && WTERMSIG(status) == SIGKILL);
}

static void descriptors(void)
{
    struct rlimit limit = {64, 64};
    int status;
    pid_t child = fork();
    if (child == 0) {
        int fd, last = -1, ends[2];
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        while ((fd = open("/dev/null", O_RDONLY)) >= 0)
            last = fd;
        CHECK(errno == EMFILE && last == 63);
        CHECK(dup(0) == -1 && errno == EMFILE && pipe(ends) == -1 && errno == EMFILE);
        CHECK(close(last) == 0 && pipe(ends) == -1 && errno == EMFILE && dup(0) == last);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void address_space(void)
{
    void *all = mmap(NULL, 1UL << 46, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(all == MAP_FAILED && errno == ENOMEM);
    CHECK(malloc(1UL << 45) == NULL && errno == ENOMEM);
}

static void deep_directories(void)
{
    char path[PATH_MAX];
    int start = open(".", O_RDONLY | O_DIRECTORY), depth;
    for (depth = 0; depth < DEPTH; depth++)
        CHECK(mkdir("a-directory-with-a-name", 0755) == 0 && chdir("a-directory-with-a-name") == 0);
    CHECK(getcwd(path, sizeof path) == NULL && (errno == ENAMETOOLONG || errno == ERANGE));
    for (; depth > 0; depth--)
        CHECK(chdir("..") == 0 && rmdir("a-directory-with-a-name") == 0);
    CHECK(fchdir(start) == 0 && close(start) == 0);
    memset(path, 'x', sizeof path);
    path[300] = 0;
    CHECK(open(path, O_CREAT | O_WRONLY, 0600) == -1 && errno == ENAMETOOLONG);
}

static void many_files(void)
{
    char name[32];
    CHECK(mkdir("many", 0755) == 0 && chdir("many") == 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0600);
        CHECK(fd >= 0 && close(fd) == 0);
    }
    for (int i = 0; i < FILES; i++) {
        snprintf(name, sizeof name, "file-%d", i);
        CHECK(unlink(name) == 0);
    }
    CHECK(chdir("..") == 0 && rmdir("many") == 0);
}

static void nobody_was_disturbed(void)
{
    int status;
    CHECK(kill(beside, SIGUSR1) == 0);
    CHECK(waitpid(beside, &status, 0) == beside && status == 3 << 8);
}

int main(void)
{
    int ends[2];
    sigset_t end;
    sigemptyset(&end), sigaddset(&end, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &end, NULL) == 0);
    start_beside(ends);
    RUN(processes);
    RUN(descriptors);
    RUN(address_space);
    RUN(deep_directories);
    RUN(many_files);
    RUN(nobody_was_disturbed);
    return 0;
}
