// Another C library, dynamic: musl's loader, threads, formatted output, processes and sockets.
// needs: busybox
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <regex.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 4, ROUNDS = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int turn;
static __thread int own;

static void *take_turns(void *number)
{
    for (int round = 0; round < ROUNDS; round++) {
        pthread_mutex_lock(&lock);
        while (turn % THREADS != (int)(long)number)
            pthread_cond_wait(&turned, &lock);
        turn++;
        own++;
        pthread_cond_broadcast(&turned);
        pthread_mutex_unlock(&lock);
    }
    return (void *)(long)own;
}

static void threads(void)
{
    pthread_t thread[THREADS];
    long sum = 0;
    for (long i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, take_turns, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(thread[i], &result);
        sum += (long)result;
    }
    printf("threads: %d turns, %ld in all\n", turn, sum);
}

static void text(void)
{
    char line[100];
    double value;
    regex_t pattern;
    regmatch_t part[2];
    snprintf(line, sizeof line, "%-8s|%+08.3f|%#x|%g", "left", 3.14159, 48879, 1e-9);
    sscanf("  2.5e3 rest", "%lf", &value);
    regcomp(&pattern, "([a-z]+)[0-9]", REG_EXTENDED);
    int found = regexec(&pattern, "12 abc9", 2, part, 0) == 0;
    printf("text: %s, %.1f, %d at %d\n", line, value, found, found ? (int)part[1].rm_so : -1);
    regfree(&pattern);
}

static void processes(void)
{
    char *words[] = {"/usr/bin/busybox", "expr", "6", "*", "7", NULL};
    char *environment[] = {NULL};
    int ends[2], status;
    char said[10] = "";
    pid_t child;
    posix_spawn_file_actions_t actions;
    pipe(ends);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    int error = posix_spawn(&child, words[0], &actions, NULL, words, environment);
    close(ends[1]);
    read(ends[0], said, sizeof said - 1);
    waitpid(child, &status, 0);
    printf("processes: %d, %d, %s", error, WEXITSTATUS(status), said);
    FILE *pipe = popen("echo from a shell; exit 3", "r");
    fgets(said, sizeof said, pipe);
    printf("processes: %s, %d\n", said, WEXITSTATUS(pclose(pipe)));
}

static sigjmp_buf back;
static volatile sig_atomic_t caught;

static void handle(int signal)
{
    caught = signal;
    if (signal == SIGSEGV)
        siglongjmp(back, 1);
}

static void signals(void)
{
    struct sigaction action = {.sa_handler = handle};
    struct timespec moment = {0, 1000000};
    timer_t timer;
    struct itimerspec once = {.it_value = moment};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    if (sigsetjmp(back, 1) == 0)
        *(volatile int *)8 = 1;
    printf("signals: %d", (int)caught);
    timer_create(CLOCK_MONOTONIC, NULL, &timer);
    timer_settime(timer, 0, &once, NULL);
    while (caught != SIGALRM)
        nanosleep(&moment, NULL);
    printf(", %d\n", (int)caught);
}

static void sockets(void)
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
    int result = getaddrinfo("127.0.0.1", "0", &hints, &found);
    int listener = socket(found->ai_family, found->ai_socktype, 0);
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    char said[10] = "";
    bind(listener, found->ai_addr, found->ai_addrlen);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&address, &length);
    freeaddrinfo(found);
    if (fork() == 0) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        connect(client, (struct sockaddr *)&address, length);
        write(client, "hello", 5);
        _exit(0);
    }
    int server = accept(listener, NULL, NULL);
    struct pollfd ready = {.fd = server, .events = POLLIN};
    int polled = poll(&ready, 1, 300000);
    read(server, said, 5);
    wait(NULL);
    printf("sockets: %d, %d, %s\n", result, polled, said);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    void *library = dlopen(NULL, RTLD_NOW);
    printf("loader: %d, %d\n", dlsym(library, "printf") == (void *)printf,
           dlsym(library, "no_such_symbol") == NULL);
    threads();
    text();
    processes();
    signals();
    sockets();
    return 0;
}
