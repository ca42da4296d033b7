/* What sched(7), nice(2), ioprio_set(2) and personality(2) set is given back, and inherited. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static void still_batch(void) { CHECK(sched_getscheduler(0) == SCHED_BATCH); }
static void unmarked_batch(void) { CHECK(sched_getscheduler(0) == SCHED_BATCH); }

static void policies(void)
{
    struct sched_param param = {.sched_priority = 0};
    CHECK(sched_getscheduler(0) == SCHED_OTHER && sched_getparam(0, &param) == 0);
    CHECK(param.sched_priority == 0);
    CHECK(sched_get_priority_min(SCHED_FIFO) == 1 && sched_get_priority_max(SCHED_FIFO) == 99);
    CHECK(sched_get_priority_max(SCHED_OTHER) == 0);
    CHECK(sched_get_priority_max(77) == -1 && errno == EINVAL);
    CHECK(sched_get_priority_min(77) == -1 && errno == EINVAL);
    CHECK(sched_setscheduler(0, SCHED_BATCH, &param) == 0);
    in_child(still_batch);
    CHECK(sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &param) == 0);
    CHECK(sched_getscheduler(0) == (SCHED_BATCH | SCHED_RESET_ON_FORK));
    CHECK(sched_setparam(0, &param) == 0);
    in_child(unmarked_batch);
    param.sched_priority = 5;
    CHECK(sched_setscheduler(0, SCHED_OTHER, &param) == -1 && errno == EINVAL);
    CHECK(sched_setparam(0, &param) == -1 && errno == EINVAL);
    param.sched_priority = 0;
    CHECK(sched_setscheduler(0, SCHED_FIFO, &param) == -1 && errno == EINVAL);
    CHECK(sched_setscheduler(0, SCHED_OTHER, NULL) == -1 && errno == EINVAL);
    CHECK(sched_getscheduler(-1) == -1 && errno == EINVAL);
    CHECK(sched_getscheduler(4000000) == -1 && errno == ESRCH);
}

struct attr {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static void attributes(void)
{
    struct attr attr = {.size = sizeof attr, .policy = SCHED_BATCH, .nice = 4};
    CHECK(syscall(SYS_sched_setattr, 0, &attr, 0) == 0);
    memset(&attr, 0xff, sizeof attr);
    CHECK(syscall(SYS_sched_getattr, 0, &attr, sizeof attr, 0) == 0);
    CHECK(attr.policy == SCHED_BATCH && attr.nice == 4 && attr.priority == 0 && attr.flags == 0);
    CHECK(syscall(SYS_sched_getattr, 0, &attr, 8, 0) == -1 && errno == EINVAL);
    attr = (struct attr){.size = sizeof attr, .policy = 99};
    CHECK(syscall(SYS_sched_setattr, 0, &attr, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_sched_setattr, 0, NULL, 0) == -1 && errno == EINVAL);
}

static void niceness(void)
{
    CHECK(getpriority(PRIO_PROCESS, 0) == 4);
    CHECK(setpriority(PRIO_PROCESS, 0, 7) == 0 && getpriority(PRIO_PROCESS, getpid()) == 7);
    CHECK(setpriority(PRIO_PROCESS, 0, 99) == 0 && getpriority(PRIO_PROCESS, 0) == 19);
    errno = 0;
    CHECK(getpriority(9, 0) == -1 && errno == EINVAL);
    CHECK(getpriority(PRIO_PROCESS, 4000000) == -1 && errno == ESRCH);
}

static void others(void)
{
    struct timespec slice = {9, 9};
    CHECK(sched_rr_get_interval(0, &slice) == 0 && slice.tv_sec == 0);
    int idle = 3 << 13;
    CHECK(syscall(SYS_ioprio_set, 1, 0, idle) == 0);
    CHECK(syscall(SYS_ioprio_get, 1, 0) == idle);
    CHECK(syscall(SYS_ioprio_set, 1, 0, 5 << 13) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_ioprio_get, 9, 0) == -1 && errno == EINVAL);
    int before = personality(0xffffffff);
    CHECK(personality(before | ADDR_NO_RANDOMIZE) == before);
    CHECK(personality(before) == (before | ADDR_NO_RANDOMIZE));
}

static void processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
    CPU_ZERO(&set);
    CHECK(sched_setaffinity(0, sizeof set, &set) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_membarrier, 0, 0, 0) > 0);
    CHECK(syscall(SYS_membarrier, 0, 7, 0) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_membarrier, 16, 0, 0) == 0 && syscall(SYS_membarrier, 8, 0, 0) == 0);
}

static void affinity_of_nobody(void)
{
    cpu_set_t set;
    CHECK(sched_getaffinity(-1, sizeof set, &set) == -1 && errno == ESRCH);
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0);
    CHECK(sched_setaffinity(-1, sizeof set, &set) == -1 && errno == ESRCH);
}

int main(void)
{
    RUN(policies);
    RUN(attributes);
    RUN(niceness);
    RUN(others);
    RUN(processors);
    RUN(affinity_of_nobody);
    return 0;
}
