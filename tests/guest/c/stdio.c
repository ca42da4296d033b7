/*
 * The C library's own files: buffers, temporary files, and programs run through the shell.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static void buffered_file(void)
{
    FILE *file = fopen("stdio.tmp", "w+");
    char line[64];
    int number;
    CHECK(file != NULL);
    for (int i = 0; i < 5000; i++)
        CHECK(fprintf(file, "line %d\n", i) > 0);
    rewind(file);
    for (int i = 0; i < 5000; i++) {
        CHECK(fscanf(file, "%63s %d\n", line, &number) == 2);
        CHECK(strcmp(line, "line") == 0 && number == i);
    }
    CHECK(fseek(file, -10, SEEK_END) == 0 && fgets(line, sizeof line, file) != NULL);
    CHECK(strcmp(line, "line 4999\n") == 0 && fgets(line, sizeof line, file) == NULL);
    CHECK(fclose(file) == 0 && unlink("stdio.tmp") == 0);
}

static void unbuffered_and_appended(void)
{
    FILE *file = fopen("stdio.tmp", "w");
    struct stat facts;
    CHECK(file != NULL && setvbuf(file, NULL, _IONBF, 0) == 0);
    CHECK(fputs("now", file) != EOF && stat("stdio.tmp", &facts) == 0 && facts.st_size == 3);
    CHECK(fclose(file) == 0);
    file = fopen("stdio.tmp", "a+");
    CHECK(file != NULL && fputs(", later", file) != EOF && ftell(file) == 10);
    CHECK(fclose(file) == 0 && unlink("stdio.tmp") == 0);
}

static void temporary_files(void)
{
    char name[] = "temporary.XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && access(name, F_OK) == 0 && unlink(name) == 0 && close(fd) == 0);
    char directory[] = "temporary.XXXXXX";
    CHECK(mkdtemp(directory) != NULL && rmdir(directory) == 0);
    FILE *file = tmpfile();
    CHECK(file != NULL && fputs("gone with me", file) != EOF && fclose(file) == 0);
}

static void shell_commands(void)
{
    CHECK(system(NULL) != 0);
    int status = system("exit 3");
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 3);
    FILE *output = popen("echo from the shell", "r");
    char line[64];
    CHECK(output != NULL && fgets(line, sizeof line, output) != NULL);
    CHECK(strcmp(line, "from the shell\n") == 0 && pclose(output) == 0);
    FILE *input = popen("cat > stdio.tmp; exit 5", "w");
    CHECK(input != NULL && fputs("to the shell", input) != EOF);
    status = pclose(input);
    CHECK(WEXITSTATUS(status) == 5);
    CHECK(unlink("stdio.tmp") == 0);
}

static int by_number(const struct dirent **a, const struct dirent **b)
{
    return atoi((*a)->d_name) - atoi((*b)->d_name);
}

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static void directories(void)
{
    char name[64];
    struct dirent **entries;
    glob_t found;
    CHECK(mkdir("stdio.dir", 0755) == 0);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "stdio.dir/%d", i);
        CHECK(fclose(fopen(name, "w")) == 0);
    }
    CHECK(scandir("stdio.dir", &entries, is_visible, by_number) == 30);
    for (int i = 0; i < 30; i++) {
        CHECK(atoi(entries[i]->d_name) == i);
        free(entries[i]);
    }
    free(entries);
    CHECK(glob("stdio.dir/1?", 0, NULL, &found) == 0 && found.gl_pathc == 10);
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof name, "stdio.dir/%d", i);
        CHECK(unlink(name) == 0);
    }
    globfree(&found);
    CHECK(rmdir("stdio.dir") == 0);
}

static void formats(void)
{
    char text[128];
    snprintf(text, sizeof text, "%5.2f|%-6s|%#x|%lld|%c|%e", 3.14159, "ab", 255, 1LL << 40, 'z',
             1e10);
    CHECK(strcmp(text, " 3.14|ab    |0xff|1099511627776|z|1.000000e+10") == 0);
    CHECK(strtod("2.5e3", NULL) == 2500.0 && strtol("-0x10", NULL, 16) == -16);
    long double third = 1.0L / 3;
    snprintf(text, sizeof text, "%.18Lf", third);
    CHECK(strcmp(text, "0.333333333333333333") == 0);
    struct tm parts;
    time_t day = 951782400; /* 29 February 2000 */
    CHECK(gmtime_r(&day, &parts) != NULL && parts.tm_mday == 29 && parts.tm_mon == 1);
}

/* What /proc/self/io counts, but for storage; 0 if this kernel does not count. */
static int counts(long now[4])
{
    static const char *names[] = {"rchar: ", "wchar: ", "syscr: ", "syscw: "};
    char text[512];
    int fd = open("/proc/self/io", O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t length = read(fd, text, sizeof text - 1);
    CHECK(length > 0 && close(fd) == 0);
    text[length] = 0;
    for (int i = 0; i < 4; i++) {
        const char *line = strstr(text, names[i]);
        CHECK(line != NULL);
        now[i] = atol(line + strlen(names[i]));
    }
    return length;
}

static void counted(void)
{
    char bytes[1000] = {0};
    long before[4], after[4];
    int fd = open("counted", O_CREAT | O_TRUNC | O_RDWR, 0600);
    CHECK(fd >= 0);
    int length = counts(before);
    for (int i = 0; i < 3; i++)
        CHECK(write(fd, bytes, 1000) == 1000);
    CHECK(pread(fd, bytes, 500, 0) == 500 && pread(fd, bytes, 1000, 2900) == 100);
    CHECK(read(-1, bytes, 1) == -1 && lseek(fd, 0, SEEK_SET) == 0);
    if (counts(after) > 0) {
        CHECK(after[0] - before[0] == length + 600 && after[2] - before[2] == 3);
        CHECK(after[1] - before[1] == 3000 && after[3] - before[3] == 3);
    }
    CHECK(close(fd) == 0 && unlink("counted") == 0);
}

int main(void)
{
    RUN(buffered_file);
    RUN(unbuffered_and_appended);
    RUN(temporary_files);
    RUN(shell_commands);
    RUN(directories);
    RUN(formats);
    RUN(counted);
    return 0;
}
