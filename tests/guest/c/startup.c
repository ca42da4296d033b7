/*
 * What a program finds when it starts (execve(2), getauxval(3), the System V ABI of x86-64,
 * section 3.4): a static executable at a fixed address, unlike the Rust guests.
 */
#include <elf.h>
#include <link.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/auxv.h>

#include "check.h"

extern char **environ;
extern char __executable_start, etext, edata, end;

static char **arguments;
static int argument_count;

static int constructed;

__attribute__((constructor)) static void construct(void) { constructed = 41; }

static char initialised[10000] = "initialised";
static char zeroed[1 << 20];

static void arguments_end_with_null(void)
{
    CHECK(argument_count >= 1);
    CHECK(arguments[argument_count] == NULL);
    CHECK(environ == arguments + argument_count + 1);
    for (int i = 0; i < argument_count; i++)
        CHECK(strlen(arguments[i]) < 4096);
}

static void auxiliary_vector(void)
{
    CHECK(getauxval(AT_PAGESZ) == 4096);
    CHECK(getauxval(AT_CLKTCK) == 100);
    CHECK(getauxval(AT_SECURE) == 0);
    CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EGID) == getegid());
    CHECK(getauxval(AT_BASE) == 0);
    CHECK(getauxval(AT_ENTRY) > (uintptr_t)&__executable_start);
    CHECK(getauxval(AT_ENTRY) < (uintptr_t)&etext);
    const char *name = (const char *)getauxval(AT_EXECFN);
    CHECK(name != NULL && strstr(name, "startup") != NULL);
}

static void program_headers(void)
{
    const ElfW(Phdr) *header = (const ElfW(Phdr) *)getauxval(AT_PHDR);
    unsigned long count = getauxval(AT_PHNUM);
    CHECK(getauxval(AT_PHENT) == sizeof *header);
    int loads = 0, stacks = 0;
    for (unsigned long i = 0; i < count; i++) {
        loads += header[i].p_type == PT_LOAD;
        stacks += header[i].p_type == PT_GNU_STACK && !(header[i].p_flags & PF_X);
    }
    CHECK(loads >= 2 && stacks == 1);
}

static void random_bytes(void)
{
    const unsigned char *bytes = (const unsigned char *)getauxval(AT_RANDOM);
    CHECK(bytes != NULL);
    int different = 0;
    for (int i = 1; i < 16; i++)
        different += bytes[i] != bytes[0];
    CHECK(different > 0);
}

static void data_and_constructors(void)
{
    CHECK(constructed == 41);
    CHECK(strcmp(initialised, "initialised") == 0);
    for (size_t i = 0; i < sizeof zeroed; i++)
        CHECK(zeroed[i] == 0);
    zeroed[sizeof zeroed - 1] = 1;
    CHECK((uintptr_t)sbrk(0) >= (uintptr_t)&end);
}

static void stack_is_aligned(void)
{
    CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
    /* The arguments lie above everything the program pushes. */
    CHECK((uintptr_t)arguments > (uintptr_t)__builtin_frame_address(0));
}

static int at_exit_order;

static void first_registered(void)
{
    CHECK(at_exit_order == 1);
    printf("ok exit_handlers\n");
}

static void last_registered(void) { at_exit_order = 1; }

int main(int argc, char **argv)
{
    argument_count = argc;
    arguments = argv;
    RUN(arguments_end_with_null);
    RUN(auxiliary_vector);
    RUN(program_headers);
    RUN(random_bytes);
    RUN(data_and_constructors);
    RUN(stack_is_aligned);
    atexit(first_registered);
    atexit(last_registered);
    return 0;
}
