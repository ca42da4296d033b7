/* Memory shared with files and between processes, by programs that move while they use it. On the
 * host's Linux, which has no migrate(), they stay where they are. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096
#define PAGES 40
#define SIZE (PAGES * PAGE)

/* Others may be moving the program, or it may be there already. */
static void go(int node) { syscall(0x1000, node); }

static int file(const char *name, int size)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0 && ftruncate(fd, size) == 0);
    return fd;
}

static char *map(int fd, int size)
{
    char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static void expect(int fd, int offset, const char *text)
{
    char found[64] = {0};
    CHECK(pread(fd, found, strlen(text), offset) == (ssize_t)strlen(text));
    CHECK(memcmp(found, text, strlen(text)) == 0);
}

static void stores_are_read(void)
{
    int fd = file("stores", SIZE);
    char *at = map(fd, SIZE);
    strcpy(at, "at home");
    go(2);
    CHECK(strcmp(at, "at home") == 0);
    strcpy(at + PAGE, "on node 2");
    expect(fd, PAGE, "on node 2");
    go(3);
    strcpy(at + 2 * PAGE, "on node 3");
    CHECK(strcmp(at + PAGE, "on node 2") == 0);
    go(1);
    CHECK(strcmp(at + 2 * PAGE, "on node 3") == 0);
    expect(fd, 0, "at home");
    expect(fd, 2 * PAGE, "on node 3");
    CHECK(munmap(at, SIZE) == 0 && close(fd) == 0);
}

static void writes_are_loaded(void)
{
    int fd = file("writes", SIZE);
    char *at = map(fd, SIZE);
    go(2);
    CHECK(at[3 * PAGE] == 0);
    CHECK(pwrite(fd, "written", 7, 3 * PAGE) == 7);
    CHECK(memcmp(at + 3 * PAGE, "written", 7) == 0);
    go(3);
    at[3 * PAGE] = 'W';
    CHECK(pwrite(fd, "R", 1, 3 * PAGE + 1) == 1);
    CHECK(memcmp(at + 3 * PAGE, "WRitten", 7) == 0);
    CHECK(ftruncate(fd, SIZE + PAGE) == 0 && ftruncate(fd, 4 * PAGE) == 0);
    CHECK(memcmp(at + 3 * PAGE, "WRitten", 7) == 0);
    CHECK(munmap(at, SIZE) == 0 && close(fd) == 0);
}

static void mapped_away(void)
{
    int fd = file("away", SIZE);
    go(2);
    char *at = map(fd, SIZE);
    char *again = map(fd, SIZE);
    char *own = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    for (int page = 0; page < PAGES; page++)
        at[page * PAGE] = 'a' + page % 26;
    CHECK(again[27 * PAGE] == 'b' && own[28 * PAGE] == 'c');
    own[28 * PAGE] = '-';
    CHECK(at[28 * PAGE] == 'c');
    CHECK(msync(at, SIZE, MS_SYNC) == 0);
    at[5 * PAGE] = '5';
    CHECK(mprotect(at, SIZE, PROT_READ) == 0 && mprotect(at, SIZE, PROT_READ | PROT_WRITE) == 0);
    at[6 * PAGE] = '6';
    CHECK(munmap(at, SIZE) == 0 && again[5 * PAGE] == '5');
    again[7 * PAGE] = '7';
    go(3);
    again[8 * PAGE] = '8';
    CHECK(munmap(again, SIZE) == 0);
    expect(fd, 5 * PAGE, "5");
    expect(fd, 6 * PAGE, "6");
    expect(fd, 7 * PAGE, "7");
    expect(fd, 8 * PAGE, "8");
    expect(fd, 27 * PAGE, "b");
    CHECK(own[28 * PAGE] == '-' && munmap(own, SIZE) == 0 && close(fd) == 0);
}

static void the_end_writes_back(void)
{
    for (int how = 0; how < 3; how++) {
        int fd = file("end", SIZE), ready[2];
        CHECK(pipe(ready) == 0);
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            go(2);
            char *at = map(fd, SIZE);
            for (int page = 0; page < PAGES; page++)
                at[page * PAGE] = 'e';
            if (how == 1) {
                char *args[] = {"/bin/busybox", "true", NULL};
                execv(args[0], args);
                execvp("true", args + 1);
            }
            if (how == 2) {
                CHECK(write(ready[1], "x", 1) == 1);
                for (;;)
                    at[0]++;
            }
            _exit(0);
        }
        if (how == 2) {
            char byte;
            CHECK(read(ready[0], &byte, 1) == 1 && kill(child, SIGKILL) == 0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(how == 2 ? WIFSIGNALED(status) : status == 0);
        for (int page = 1; page < PAGES; page++)
            expect(fd, page * PAGE, "e");
        CHECK(close(fd) == 0 && close(ready[0]) == 0 && close(ready[1]) == 0);
    }
}

struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    sem_t turn[2];
    int turns, count, atomic;
};

static struct shared *prepare(void *at)
{
    struct shared *shared = at;
    pthread_mutexattr_t mutex;
    pthread_condattr_t cond;
    CHECK(pthread_mutexattr_init(&mutex) == 0);
    CHECK(pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_mutex_init(&shared->mutex, &mutex) == 0);
    CHECK(pthread_condattr_init(&cond) == 0);
    CHECK(pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_cond_init(&shared->changed, &cond) == 0);
    CHECK(sem_init(&shared->turn[0], 1, 1) == 0 && sem_init(&shared->turn[1], 1, 0) == 0);
    return shared;
}

/* Two processes count in turns and move each other about. */
static void take_turns(struct shared *shared, int who)
{
    for (int round = 0; round < 12; round++) {
        CHECK(sem_wait(&shared->turn[who]) == 0);
        CHECK(shared->turns == 2 * round + who);
        shared->turns++;
        if (round % 4 == 2 * who)
            go(1 + (round / 4 + who) % 3);
        CHECK(sem_post(&shared->turn[1 - who]) == 0);
    }
    for (int round = 0; round < 200; round++) {
        CHECK(pthread_mutex_lock(&shared->mutex) == 0);
        shared->count++;
        CHECK(pthread_cond_broadcast(&shared->changed) == 0);
        CHECK(pthread_mutex_unlock(&shared->mutex) == 0);
        __atomic_add_fetch(&shared->atomic, 1, __ATOMIC_SEQ_CST);
    }
    CHECK(pthread_mutex_lock(&shared->mutex) == 0);
    while (shared->count < 400)
        CHECK(pthread_cond_wait(&shared->changed, &shared->mutex) == 0);
    CHECK(pthread_mutex_unlock(&shared->mutex) == 0);
}

static void with_a_child(struct shared *shared)
{
    pid_t child = fork();
    CHECK(child >= 0);
    take_turns(shared, child == 0);
    if (child == 0)
        _exit(7);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7);
    CHECK(shared->count == 400 && shared->atomic == 400);
}

static void memory_of_parent_and_child(void)
{
    void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    with_a_child(prepare(at));
    CHECK(munmap(at, SIZE) == 0);
}

static void memory_made_away(void)
{
    go(3);
    void *at = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    with_a_child(prepare(at));
    CHECK(munmap(at, SIZE) == 0);
}

static void memory_without_a_name(void)
{
    int fd = memfd_create("sharing", 0);
    CHECK(fd >= 0 && ftruncate(fd, SIZE) == 0);
    char *at = map(fd, SIZE);
    with_a_child(prepare(at));
    char *own = malloc(SIZE);
    CHECK(pread(fd, own, SIZE, 0) == SIZE && memcmp(own, at, SIZE) == 0);
    free(own);
    CHECK(munmap(at, SIZE) == 0 && close(fd) == 0);
}

static void a_segment(void)
{
    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    CHECK(id >= 0);
    void *at = shmat(id, NULL, 0);
    CHECK(at != (void *)-1);
    with_a_child(prepare(at));
    go(2);
    struct shmid_ds about;
    CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 1);
    go(3);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0 && shmdt(at) == 0);
}

/* Processes that are not of one family, and map the file when others are away with it. */
static void strangers_meet(void)
{
    int fd = file("meeting", SIZE);
    CHECK(close(fd) == 0);
    pid_t children[3];
    for (int who = 0; who < 3; who++) {
        children[who] = fork();
        CHECK(children[who] >= 0);
        if (children[who] == 0) {
            go(1 + who);
            int own = open("meeting", O_RDWR);
            CHECK(own >= 0);
            int *at = (int *)map(own, SIZE);
            for (int round = 0; round < 100; round++) {
                __atomic_add_fetch(&at[1024 * (round % PAGES)], 1, __ATOMIC_SEQ_CST);
                if (round % 40 == 10 * who)
                    go(1 + (round / 10 + who) % 3);
            }
            __atomic_add_fetch(&at[1], 1, __ATOMIC_SEQ_CST);
            while (__atomic_load_n(&at[1], __ATOMIC_SEQ_CST) < 3)
                usleep(1000);
            _exit(0);
        }
    }
    for (int who = 0; who < 3; who++) {
        int status;
        CHECK(waitpid(children[who], &status, 0) == children[who] && status == 0);
    }
    int total = 0, word;
    fd = open("meeting", O_RDONLY);
    for (int page = 0; page < PAGES; page++) {
        CHECK(pread(fd, &word, sizeof word, page * PAGE) == sizeof word);
        total += word;
    }
    CHECK(total == 300 && close(fd) == 0);
}

int main(void)
{
    RUN(stores_are_read);
    RUN(writes_are_loaded);
    RUN(mapped_away);
    RUN(the_end_writes_back);
    RUN(memory_of_parent_and_child);
    RUN(memory_made_away);
    RUN(memory_without_a_name);
    RUN(a_segment);
    RUN(strangers_meet);
    return 0;
}
