/* System V shared memory, semaphores and message queues, and POSIX message queues. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/poll.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

union semun {
    int val;
    struct semid_ds *buf;
    unsigned short *array;
};

static void ended_well(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) != child)
        CHECK(errno == EINTR);
    CHECK(status == 0);
}

static void memory(void)
{
    struct shmid_ds about;
    int id = shmget(IPC_PRIVATE, 10000, IPC_CREAT | 0600);
    CHECK(id >= 0);
    CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_segsz == 10000);
    CHECK(about.shm_nattch == 0 && about.shm_cpid == getpid());
    CHECK((about.shm_perm.mode & 0777) == 0600);
    volatile int *one = shmat(id, NULL, 0), *two = shmat(id, NULL, SHM_RDONLY);
    CHECK(one != (void *)-1 && two != (void *)-1 && one != two && *one == 0);
    *one = 5;
    CHECK(*two == 5);
    pid_t child = fork();
    if (child == 0) {
        *one = 6;
        CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 4);
        CHECK(shmdt((void *)one) == 0);
        _exit(0);
    }
    ended_well(child);
    CHECK(*two == 6);
    CHECK(shmctl(id, IPC_STAT, &about) == 0 && about.shm_nattch == 2);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0 && *two == 6);
    CHECK(shmdt((void *)one) == 0 && shmdt((void *)one) == -1 && errno == EINVAL);
    CHECK(*two == 6 && shmdt((void *)two) == 0);
    CHECK(shmat(id, NULL, 0) == (void *)-1 && (errno == EINVAL || errno == EIDRM));
}

static void memory_by_key(void)
{
    /* Of all processes of a host only this one uses it and the next. */
    key_t key = 0x50000000 + 2 * getpid();
    int id = shmget(key, 4096, IPC_CREAT | IPC_EXCL | 0600);
    CHECK(id >= 0 && shmget(key, 4096, 0) == id);
    CHECK(shmget(key, 4096, IPC_CREAT | IPC_EXCL) == -1 && errno == EEXIST);
    CHECK(shmget(key, 9000, 0) == -1 && errno == EINVAL);
    CHECK(shmget(key + 1, 4096, 0) == -1 && errno == ENOENT);
    char *at = shmat(id, NULL, 0);
    CHECK(shmat(id, at, 0) == (void *)-1 && errno == EINVAL);
    CHECK(shmat(id, at + 1, 0) == (void *)-1 && errno == EINVAL);
    CHECK(shmat(id, at, SHM_REMAP) == at);
    CHECK(shmctl(id, IPC_RMID, NULL) == 0 && shmdt(at) == 0);
    CHECK(shmget(key, 4096, 0) == -1 && errno == ENOENT);
}

static void semaphores(void)
{
    int id = semget(IPC_PRIVATE, 3, 0600);
    struct semid_ds about;
    unsigned short values[3] = {1, 2, 3};
    CHECK(id >= 0 && semctl(id, 0, SETALL, (union semun){.array = values}) == 0);
    CHECK(semctl(id, 1, GETVAL) == 2 && semctl(id, 3, GETVAL) == -1 && errno == EINVAL);
    CHECK(semctl(id, 0, IPC_STAT, (union semun){.buf = &about}) == 0 && about.sem_nsems == 3);
    struct sembuf both[2] = {{0, -1, 0}, {1, -3, IPC_NOWAIT}};
    CHECK(semop(id, both, 2) == -1 && errno == EAGAIN && semctl(id, 0, GETVAL) == 1);
    both[1].sem_op = -2;
    CHECK(semop(id, both, 2) == 0);
    CHECK(semctl(id, 0, GETALL, (union semun){.array = values}) == 0);
    CHECK(values[0] == 0 && values[1] == 0 && values[2] == 3);
    CHECK(semctl(id, 1, GETPID) == getpid());
    struct sembuf wrong = {7, 1, 0};
    CHECK(semop(id, &wrong, 1) == -1 && errno == EFBIG);
    wrong = (struct sembuf){0, 32767, 0};
    CHECK(semop(id, &wrong, 1) == 0 && semop(id, &wrong, 1) == -1 && errno == ERANGE);
    CHECK(semctl(id, 0, SETVAL, (union semun){.val = 40000}) == -1 && errno == ERANGE);
    CHECK(semctl(id, 0, IPC_RMID) == 0 && semctl(id, 0, GETVAL) == -1);
}

static void semaphores_wait(void)
{
    int id = semget(IPC_PRIVATE, 2, 0600);
    struct sembuf take = {0, -1, SEM_UNDO}, give = {0, 1, 0}, zero = {1, 0, 0};
    struct timespec moment = {0, 20000000};
    CHECK(semtimedop(id, &take, 1, &moment) == -1 && errno == EAGAIN);
    pid_t child = fork();
    if (child == 0) {
        CHECK(semop(id, &take, 1) == 0);
        _exit(0);
    }
    while (semctl(id, 0, GETNCNT) == 0)
        usleep(1000);
    CHECK(semop(id, &give, 1) == 0);
    ended_well(child);
    CHECK(semctl(id, 0, GETVAL) == 1);
    CHECK(semop(id, &zero, 1) == 0 && semctl(id, 1, GETZCNT) == 0);
    CHECK(semctl(id, 0, SETVAL, (union semun){.val = 0}) == 0);
    child = fork();
    if (child == 0)
        _exit(semop(id, &take, 1) == -1 && errno == EIDRM ? 0 : 1);
    while (semctl(id, 0, GETNCNT) == 0)
        usleep(1000);
    CHECK(semctl(id, 0, IPC_RMID) == 0);
    ended_well(child);
}

struct message {
    long type;
    char text[64];
};

static void messages(void)
{
    int id = msgget(IPC_PRIVATE, 0600);
    struct message message = {3, "three"};
    struct msqid_ds about;
    CHECK(id >= 0 && msgsnd(id, &message, 6, 0) == 0);
    message = (struct message){1, "one"};
    CHECK(msgsnd(id, &message, 4, 0) == 0);
    message.type = 0;
    CHECK(msgsnd(id, &message, 4, 0) == -1 && errno == EINVAL);
    CHECK(msgctl(id, IPC_STAT, &about) == 0 && about.msg_qnum == 2 && about.__msg_cbytes == 10);
    CHECK(msgrcv(id, &message, 64, 9, IPC_NOWAIT) == -1 && errno == ENOMSG);
    CHECK(msgrcv(id, &message, 2, 3, 0) == -1 && errno == E2BIG);
    CHECK(msgrcv(id, &message, 64, -2, 0) == 4 && message.type == 1);
    CHECK(strcmp(message.text, "one") == 0);
    CHECK(msgrcv(id, &message, 2, 0, MSG_NOERROR) == 2 && message.type == 3);
    pid_t child = fork();
    if (child == 0) {
        CHECK(msgrcv(id, &message, 64, 7, 0) == 6 && strcmp(message.text, "later") == 0);
        /* It waits for another when the queue goes, or comes too late to wait. */
        CHECK(msgrcv(id, &message, 64, 7, 0) == -1 && (errno == EIDRM || errno == EINVAL));
        _exit(0);
    }
    message = (struct message){7, "later"};
    usleep(10000);
    CHECK(msgsnd(id, &message, 6, 0) == 0);
    do {
        usleep(1000);
        CHECK(msgctl(id, IPC_STAT, &about) == 0);
    } while (about.msg_qnum > 0);
    CHECK(msgctl(id, IPC_RMID, NULL) == 0);
    ended_well(child);
}

/* Of all processes of a host only this one uses it. */
static char queue_name[32];

static volatile sig_atomic_t told;

static void on_message(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)context;
    told = info->si_code == SI_MESGQ && info->si_value.sival_int == 8;
}

static void queues(void)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16}, now;
    struct timespec past = {1, 0};
    char text[16];
    unsigned priority;
    mqd_t queue = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    CHECK(queue >= 0);
    CHECK(mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr) == -1 && errno == EEXIST);
    CHECK(mq_send(queue, "low", 3, 1) == 0 && mq_send(queue, "high", 4, 9) == 0);
    CHECK(mq_timedsend(queue, "more", 4, 1, &past) == -1 && errno == ETIMEDOUT);
    CHECK(mq_getattr(queue, &now) == 0 && now.mq_curmsgs == 2 && now.mq_maxmsg == 2);
    CHECK(mq_receive(queue, text, 8, NULL) == -1 && errno == EMSGSIZE);
    CHECK(mq_receive(queue, text, 16, &priority) == 4 && priority == 9);
    struct pollfd ready = {.fd = queue, .events = POLLIN | POLLOUT};
    CHECK(poll(&ready, 1, 0) == 1 && ready.revents == (POLLIN | POLLOUT));
    CHECK(mq_receive(queue, text, 16, &priority) == 3 && priority == 1);
    attr.mq_flags = O_NONBLOCK;
    CHECK(mq_setattr(queue, &attr, NULL) == 0);
    CHECK(mq_receive(queue, text, 16, NULL) == -1 && errno == EAGAIN);
    attr.mq_flags = 0;
    CHECK(mq_setattr(queue, &attr, &now) == 0 && now.mq_flags == O_NONBLOCK);
    struct sigaction action = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    event.sigev_value.sival_int = 8;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && mq_notify(queue, &event) == 0);
    CHECK(mq_notify(queue, &event) == -1 && errno == EBUSY);
    pid_t child = fork();
    if (child == 0)
        _exit(mq_send(queue, "child", 5, 0) != 0);
    ended_well(child);
    while (!told)
        usleep(1000);
    CHECK(mq_receive(queue, text, 16, NULL) == 5);
    CHECK(mq_unlink(queue_name) == 0 && mq_unlink(queue_name) == -1 && errno == ENOENT);
    CHECK(mq_close(queue) == 0);
}

static sem_t heard;
static volatile int heard_value;

static void in_a_thread(union sigval value)
{
    heard_value = value.sival_int;
    CHECK(sem_post(&heard) == 0);
}

static void told_by_a_thread(void)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = in_a_thread};
    char text[16];
    mqd_t queue = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    CHECK(queue >= 0 && sem_init(&heard, 0, 0) == 0);
    for (int i = 1; i <= 3; i++) {
        event.sigev_value.sival_int = i;
        CHECK(mq_notify(queue, &event) == 0);
        CHECK(mq_notify(queue, &event) == -1 && errno == EBUSY);
        CHECK(mq_send(queue, "text", 4, 0) == 0);
        while (sem_wait(&heard) != 0)
            CHECK(errno == EINTR);
        CHECK(heard_value == i && mq_receive(queue, text, 16, NULL) == 4);
    }
    CHECK(mq_notify(queue, &event) == 0 && mq_notify(queue, NULL) == 0);
    CHECK(mq_notify(queue, &event) == 0 && mq_notify(queue, NULL) == 0);
    CHECK(mq_close(queue) == 0 && mq_unlink(queue_name) == 0);
}

/* How the library does it: a socket, and a cookie that comes back there. */
static void told_by_a_socket(void)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16};
    char cookie[32] = "for the thread that waits", back[64];
    struct sigevent event = {.sigev_notify = SIGEV_THREAD, .sigev_value.sival_ptr = cookie};
    int ends[2], netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    mqd_t queue = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    CHECK(queue >= 0 && netlink >= 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    CHECK(recv(netlink, back, 64, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    event.sigev_signo = netlink;
    CHECK(syscall(SYS_mq_notify, queue, &event) == 0);
    struct pollfd ready = {.fd = netlink, .events = POLLIN};
    CHECK(poll(&ready, 1, 0) == 0);
    CHECK(mq_send(queue, "text", 4, 0) == 0);
    CHECK(recv(netlink, back, 64, MSG_WAITALL) == 32);
    CHECK(memcmp(cookie, back, 31) == 0 && back[31] == 1);
    CHECK(mq_receive(queue, back, 16, NULL) == 4);
    CHECK(syscall(SYS_mq_notify, queue, &event) == 0);
    CHECK(syscall(SYS_mq_notify, queue, NULL) == 0);
    CHECK(poll(&ready, 1, 0) == 1 && ready.revents == POLLIN);
    CHECK(recv(netlink, back, 64, 0) == 32 && back[31] == 2);
    event.sigev_signo = ends[0];
    CHECK(syscall(SYS_mq_notify, queue, &event) == -1 && errno == EINVAL);
    event.sigev_signo = queue;
    CHECK(syscall(SYS_mq_notify, queue, &event) == -1 && errno == ENOTSOCK);
    event.sigev_signo = 777;
    CHECK(syscall(SYS_mq_notify, queue, &event) == -1 && errno == EBADF);
    event.sigev_value.sival_ptr = (void *)8;
    CHECK(syscall(SYS_mq_notify, queue, &event) == -1 && errno == EFAULT);
    CHECK(close(netlink) == 0 && close(ends[0]) == 0 && close(ends[1]) == 0);
    CHECK(mq_close(queue) == 0 && mq_unlink(queue_name) == 0);
}

/* The close of any descriptor of a queue by who was to be told ends that. */
static void told_no_more(void)
{
    struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 16};
    struct sigevent event = {.sigev_notify = SIGEV_NONE};
    char byte, word[16];
    int back[2], on[2];
    mqd_t queue = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    CHECK(queue >= 0 && pipe(back) == 0 && pipe(on) == 0);
    CHECK(mq_notify(queue, &event) == 0 && mq_notify(queue, &event) == -1 && errno == EBUSY);
    CHECK(close(dup(queue)) == 0 && mq_notify(queue, &event) == 0);
    pid_t child = fork();
    if (child == 0)
        _exit(close(queue) != 0);
    ended_well(child);
    CHECK(mq_notify(queue, &event) == -1 && errno == EBUSY && mq_notify(queue, NULL) == 0);
    /* Its copy stays open; then it executes, which closes what mq_open has made. */
    for (int execs = 0; execs < 2; execs++) {
        child = fork();
        if (child == 0) {
            close(on[1]), sprintf(word, "%d", on[0]);
            CHECK(mq_notify(queue, &event) == 0 && (execs || close(dup(queue)) == 0));
            dup2(back[1], execs ? 1 : back[1]);
            if (execs)
                execl("/proc/self/exe", "ipc", word, NULL);
            _exit(write(back[1], "x", 1) != 1 || read(on[0], &byte, 1) != 1);
        }
        CHECK(read(back[0], &byte, 1) == 1 && mq_notify(queue, &event) == 0);
        CHECK(mq_notify(queue, NULL) == 0 && write(on[1], "x", 1) == 1);
        ended_well(child);
    }
    CHECK(close(back[0]) == 0 && close(back[1]) == 0 && close(on[0]) == 0 && close(on[1]) == 0);
    CHECK(mq_close(queue) == 0 && mq_unlink(queue_name) == 0);
}

int main(int argc, char **argv)
{
    char byte;
    if (argc > 1)
        return write(1, "x", 1) != 1 || read(atoi(argv[1]), &byte, 1) != 1;
    sprintf(queue_name, "/wayfarer%d", getpid());
    RUN(memory);
    RUN(memory_by_key);
    RUN(semaphores);
    RUN(semaphores_wait);
    RUN(messages);
    RUN(queues);
    RUN(told_by_a_thread);
    RUN(told_by_a_socket);
    RUN(told_no_more);
    return 0;
}
