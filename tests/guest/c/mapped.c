/* Mapped files that change: a mapping made after a change shows what the file holds then, however
   often its pages were seen before, and wherever the process is. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096
#define PAGES 24
#define ROUNDS 24

static char page[PAGE];

/* Writes to every page what it is to be known by. */
static void fill(int fd, int mark)
{
    for (int i = 0; i < PAGES; i++) {
        memset(page, 'a' + (mark + i) % 26, PAGE);
        CHECK(pwrite(fd, page, PAGE, i * PAGE) == PAGE);
    }
}

/* Whether a private mapping made now shows that. */
static void expect(int fd, int mark, int pages)
{
    char *map = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED);
    for (int i = 0; i < pages; i++)
        CHECK(map[i * PAGE] == 'a' + (mark + i) % 26 && map[i * PAGE + PAGE - 1] == map[i * PAGE]);
    CHECK(munmap(map, PAGES * PAGE) == 0);
}

static void written(void)
{
    int fd = open("written", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    for (int round = 0; round < ROUNDS; round++) {
        fill(fd, round);
        expect(fd, round, PAGES);
        CHECK(getppid() > 0);
        expect(fd, round, PAGES);
    }
    CHECK(close(fd) == 0 && unlink("written") == 0);
}

static void written_by_another(void)
{
    int fd = open("another", O_RDWR | O_CREAT | O_TRUNC, 0600), status;
    CHECK(fd >= 0);
    for (int round = 0; round < ROUNDS / 3; round++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            fill(fd, round + 7);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        expect(fd, round + 7, PAGES);
    }
    CHECK(close(fd) == 0 && unlink("another") == 0);
}

static void cut(void)
{
    int fd = open("cut", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    for (int round = 0; round < ROUNDS / 2; round++) {
        fill(fd, round);
        expect(fd, round, PAGES);
        CHECK(ftruncate(fd, 5 * PAGE) == 0);
        expect(fd, round, 5);
        CHECK(ftruncate(fd, PAGES * PAGE) == 0);
        char *map = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
        CHECK(map != MAP_FAILED && map[4 * PAGE] != 0 && map[5 * PAGE] == 0);
        CHECK(munmap(map, PAGES * PAGE) == 0);
        CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE) == 0);
        map = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
        CHECK(map != MAP_FAILED && map[0] == 0 && map[PAGE] != 0);
        CHECK(munmap(map, PAGES * PAGE) == 0);
    }
    CHECK(close(fd) == 0 && unlink("cut") == 0);
}

/* Stores through a shared mapping are seen by no file system. */
static void stored(void)
{
    int fd = open("stored", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    fill(fd, 0);
    expect(fd, 0, PAGES);
    for (int round = 0; round < ROUNDS / 3; round++) {
        char *map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        CHECK(map != MAP_FAILED);
        for (int i = 0; i < PAGES; i++)
            memset(map + i * PAGE, 'a' + (round + i) % 26, PAGE);
        CHECK(munmap(map, PAGES * PAGE) == 0);
        for (int again = 0; again < 3; again++)
            expect(fd, round, PAGES);
    }
    CHECK(close(fd) == 0 && unlink("stored") == 0);
}

/* What the program changes is its own, and what it left alone stays as it was. */
static void changed(void)
{
    int fd = open("changed", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    fill(fd, 0);
    char *map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED);
    for (int round = 0; round < ROUNDS; round++) {
        map[round * PAGE] = '!';
        CHECK(getppid() > 0);
        for (int i = 0; i < PAGES; i++)
            CHECK(map[i * PAGE] == (i <= round ? '!' : 'a' + i % 26));
        expect(fd, 0, PAGES);
    }
    CHECK(munmap(map, PAGES * PAGE) == 0 && close(fd) == 0 && unlink("changed") == 0);
}

int main(void)
{
    RUN(written);
    RUN(written_by_another);
    RUN(cut);
    RUN(stored);
    RUN(changed);
    return 0;
}
