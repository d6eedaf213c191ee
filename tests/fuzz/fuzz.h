/*
 * fuzz.h - what the fuzzers share. Each is a program of libFuzzer, which
 * tests/harness/fuzzing.py compiles and runs.
 *
 * A rule that does not hold ends the fuzzer as a fault of memory does.
 */
#ifndef WSGI_FUZZ_H
#define WSGI_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOLDS(rule)                                                           \
    do {                                                                      \
        if (!(rule)) {                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, \
                    #rule);                                                   \
            abort();                                                          \
        }                                                                     \
    } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lowest number that is free. It tells whether a descriptor was leaked. */
static inline int fuzz_lowest_free(void)
{
    int fd = dup(STDERR_FILENO);

    close(fd);
    return fd;
}

#endif
