/* `tiny [COUNT]`: many small files in one directory: each is made, listed, found by stat(2), read,
   and removed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "check.h"

static int count = 2000;

static const char *name(int index)
{
    static char text[32];
    snprintf(text, sizeof text, "file-%d", index);
    return text;
}

static void made(void)
{
    for (int i = 0; i < count; i++) {
        int fd = open(name(i), O_WRONLY | O_CREAT | O_EXCL, 0600);
        CHECK(fd >= 0 && write(fd, &i, sizeof i) == sizeof i && close(fd) == 0);
    }
}

static void listed(void)
{
    char *seen = calloc(count, 1);
    DIR *directory = opendir(".");
    CHECK(seen != NULL && directory != NULL);
    int found = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int index;
        if (sscanf(entry->d_name, "file-%d", &index) != 1)
            continue;
        CHECK(index >= 0 && index < count && !seen[index]);
        seen[index] = 1, found++;
    }
    CHECK(found == count && closedir(directory) == 0);
    free(seen);
}

static void found(void)
{
    struct stat status;
    for (int i = 0; i < count; i++)
        CHECK(stat(name(i), &status) == 0 && status.st_size == sizeof i && status.st_nlink == 1);
}

static void read_again(void)
{
    for (int i = 0; i < count; i++) {
        int fd = open(name(i), O_RDONLY), held = -1;
        CHECK(fd >= 0 && read(fd, &held, sizeof held) == sizeof held && held == i);
        CHECK(close(fd) == 0);
    }
}

static void removed(void)
{
    for (int i = 0; i < count; i++)
        CHECK(unlink(name(i)) == 0);
    CHECK(access(name(0), F_OK) == -1 && errno == ENOENT);
    CHECK(chdir("..") == 0 && rmdir("tiny-files") == 0);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        count = atoi(argv[1]);
    CHECK(mkdir("tiny-files", 0700) == 0 && chdir("tiny-files") == 0);
    RUN(made);
    RUN(listed);
    RUN(found);
    RUN(read_again);
    RUN(removed);
    return 0;
}
