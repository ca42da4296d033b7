/*
 * Leaving signal handlers by siglongjmp(3), as interpreters and garbage collectors do: no
 * rt_sigreturn(2) follows, so nothing in the kernel may wait for one.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "check.h"

static sigjmp_buf place;
static volatile int caught;
static void *volatile fault_address;

static void leave(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    caught++;
    fault_address = info->si_addr;
    siglongjmp(place, 1);
}

static void catch(int signal, int flags)
{
    struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO | flags};
    sigemptyset(&action.sa_mask);
    CHECK(sigaction(signal, &action, NULL) == 0);
    caught = 0;
}

static void fault_again_and_again(void)
{
    char *hidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(hidden != MAP_FAILED);
    catch(SIGSEGV, 0);
    for (volatile int i = 0; i < 200; i++) {
        if (sigsetjmp(place, 1) == 0) {
            *(volatile char *)(hidden + i) = 1;
            CHECK(!"reached");
        }
        CHECK(fault_address == hidden + i);
    }
    CHECK(caught == 200);
    CHECK(munmap(hidden, 4096) == 0);
}

static void mask_is_as_at_the_mark(void)
{
    sigset_t mask;
    catch(SIGUSR1, 0);
    if (sigsetjmp(place, 1) == 0)
        raise(SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
    CHECK(!sigismember(&mask, SIGUSR1));
    if (sigsetjmp(place, 0) == 0)
        raise(SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, NULL, &mask) == 0);
    CHECK(sigismember(&mask, SIGUSR1));
    CHECK(sigdelset(&mask, SIGUSR1) == 0 && sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
    CHECK(caught == 2);
}

static char stack_memory[64 * 1024];

static void alternate_stack_is_free_again(void)
{
    stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory}, now;
    CHECK(sigaltstack(&stack, NULL) == 0);
    catch(SIGUSR1, SA_ONSTACK);
    for (volatile int i = 0; i < 50; i++)
        if (sigsetjmp(place, 1) == 0)
            raise(SIGUSR1);
    CHECK(caught == 50);
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == 0);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, &now) == 0 && now.ss_sp == stack_memory);
}

static volatile int deepest;

static void overflow(volatile int depth)
{
    volatile char frame[16 * 1024];
    frame[0] = (char)depth;
    deepest = depth;
    if (depth < 1 << 20)
        overflow(depth + 1);
    frame[1] = frame[0];
}

static void stack_overflow_is_survived(void)
{
    stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
    CHECK(sigaltstack(&stack, NULL) == 0);
    catch(SIGSEGV, SA_ONSTACK);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(place, 1) == 0)
            overflow(0);
        CHECK(deepest > 100);
    }
    CHECK(caught == 3);
}

static void out_of_a_blocking_call(void)
{
    int ends[2];
    char byte;
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    CHECK(pipe(ends) == 0);
    catch(SIGALRM, SA_RESTART);
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(place, 1) == 0) {
            CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
            CHECK(read(ends[0], &byte, 1) == 77);
        }
    }
    CHECK(caught == 3);
    CHECK(write(ends[1], "x", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'x');
}

int main(void)
{
    RUN(fault_again_and_again);
    RUN(mask_is_as_at_the_mark);
    RUN(alternate_stack_is_free_again);
    RUN(stack_overflow_is_survived);
    RUN(out_of_a_blocking_call);
    return 0;
}
