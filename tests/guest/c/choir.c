/* `choir VOICES THREADS [BEATS [PAGES [SHARED]]]`: processes of so many threads that share memory
 * beat together, to BEATS or, if that is 0, for as long as they live. The last voice waits for a
 * byte of the first in each beat, and has so many PAGES of its own; all have so many SHARED ones.
 * With BEATS the second has a child in each, and the first moves them about. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "check.h"

#define MOST_VOICES 16
#define MOST_THREADS 8

static struct hall {
    pthread_barrier_t begin, end;
    unsigned sung[MOST_VOICES][MOST_THREADS], heard, born;
} *hall;

static unsigned voices, threads, beats, pages, common_pages;
static char *common;
static int word[2];

struct singer {
    unsigned voice, thread;
};

static void have_a_child(void)
{
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        __atomic_add_fetch(&hall->born, 1, __ATOMIC_SEQ_CST);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* Nobody sings on before the first has heard all. */
static void lead(unsigned beat)
{
    for (unsigned voice = 0; voice < voices; voice++)
        for (unsigned thread = 0; thread < threads; thread++)
            CHECK(hall->sung[voice][thread] == beat);
    CHECK(hall->heard == beat && hall->born == (beats == 0 ? 0 : beat));
    dprintf(1, "beat %u\n", beat);
    usleep(2000);
}

static void *sing(void *argument)
{
    struct singer *singer = argument;
    int leads = singer->voice == 0 && singer->thread == 0;
    for (unsigned beat = 1; beats == 0 || beat <= beats; beat++) {
        char byte = 'x';
        pthread_barrier_wait(&hall->begin);
        hall->sung[singer->voice][singer->thread]++;
        if (singer->thread == 0 && singer->voice == voices - 1) {
            CHECK(read(word[0], &byte, 1) == 1);
            hall->heard++;
        }
        if (leads) {
            /* One waits for us, one has a child, the rest wait for all. */
            if (beats != 0 && beat % 4 == 0)
                syscall(0x1000, 1 + beat / 4 % 3);
            CHECK(write(word[1], &byte, 1) == 1);
        }
        if (beats != 0 && singer->thread == 0 && singer->voice == 1)
            have_a_child();
        pthread_barrier_wait(&hall->end);
        if (leads)
            lead(beat);
    }
    return NULL;
}

/* All threads of a voice. */
static void perform(unsigned voice)
{
    char *own = malloc(4096 * pages + 1);
    CHECK(own != NULL);
    if (voice == voices - 1)
        memset(own, voice, 4096 * pages);
    for (size_t page = 0; page < common_pages; page++)
        common[4096 * page + voice] = 1;
    pthread_t ids[MOST_THREADS];
    struct singer singers[MOST_THREADS];
    for (unsigned thread = 0; thread < threads; thread++) {
        singers[thread] = (struct singer){voice, thread};
        CHECK(pthread_create(&ids[thread], NULL, sing, &singers[thread]) == 0);
    }
    for (unsigned thread = 0; thread < threads; thread++)
        CHECK(pthread_join(ids[thread], NULL) == 0);
    free(own);
}

int main(int argc, char **argv)
{
    voices = argc > 1 ? atoi(argv[1]) : 0;
    threads = argc > 2 ? atoi(argv[2]) : 0;
    beats = argc > 3 ? atoi(argv[3]) : 0;
    pages = argc > 4 ? atoi(argv[4]) : 0;
    common_pages = argc > 5 ? atoi(argv[5]) : 0;
    CHECK(2 <= voices && voices <= MOST_VOICES && 1 <= threads && threads <= MOST_THREADS);
    hall = mmap(NULL, sizeof *hall, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(hall != MAP_FAILED && pipe(word) == 0);
    common = mmap(NULL, 4096 * common_pages + 1, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(common != MAP_FAILED);
    pthread_barrierattr_t shared;
    CHECK(pthread_barrierattr_init(&shared) == 0);
    CHECK(pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED) == 0);
    CHECK(pthread_barrier_init(&hall->begin, &shared, voices * threads) == 0);
    CHECK(pthread_barrier_init(&hall->end, &shared, voices * threads) == 0);
    for (unsigned voice = 1; voice < voices; voice++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            perform(voice);
            _exit(0);
        }
    }
    perform(0);
    for (unsigned voice = 1; voice < voices; voice++) {
        int status;
        CHECK(wait(&status) > 0 && status == 0);
    }
    return 0;
}
