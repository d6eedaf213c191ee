/*
 * memory.c - the memory in which the server's processes count what they serve.
 */
#include "memory.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../core/request/request.h"
#include "parent.h"

#define SETUID (1U << 7) /* a capability */

static wsgi_tally *memory;
static int kept = -1; /* the descriptor */

/* Returns -1 where the system has no such files: the memory is lost when the
   server restarts then. */
static int make_file(void)
{
    int fd = -1;

#if defined(SYS_memfd_create) && !defined(WSGI_FALLBACKS)
    int made = (int)syscall(SYS_memfd_create, "mod_wsgi status", 1U);

    if (made >= 0)
        fd = wsgi_descriptor_lift(made);
    if (fd >= 0 && ftruncate(fd, (off_t)sizeof *memory) < 0) {
        close(fd);
        fd = -1;
    }
#endif
    return fd;
}

/* Whether the descriptor is the file of that number, as large as it has to be.
   Another version of this module may have another size. */
static int is_ours(int fd, unsigned long number)
{
    struct stat s;

    return fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) &&
           wsgi_descriptor_number_of(fd) == number &&
           s.st_size == (off_t)sizeof *memory;
}

/* The descriptor of the pass before, or -1. A program that the server has
   started may have inherited the variable, but not the descriptor. */
static int recall(void)
{
    char *text = getenv(WSGI_MEMORY_VARIABLE);
    int fd;

    if (text == NULL)
        return -1;
    fd = (int)strtol(text, &text, 10);
    return is_ours(fd, strtoul(text, NULL, 10)) ? fd : -1;
}

static void keep(int fd)
{
    char text[64];

    if (fd < 0)
        return;
    snprintf(text, sizeof text, "%d %lu", fd, wsgi_descriptor_number_of(fd));
    setenv(WSGI_MEMORY_VARIABLE, text, 1);
}

/* Leaves memory as it is where there is none. */
static void map(void)
{
    void *mapped;

    kept = recall();
    if (kept < 0) {
        kept = make_file();
        keep(kept);
    }
    mapped = mmap(NULL, sizeof *memory, PROT_READ | PROT_WRITE,
                  kept >= 0 ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS, kept,
                  0);
    if (mapped != MAP_FAILED)
        memory = mapped;
}

void wsgi_memory_configure(uint32_t configuration)
{
    memory = NULL;
    if (WSGI_ATOMIC_IS_SHARED)
        map();
    wsgi_tally_open(memory, wsgi_component, configuration);
}

uint32_t wsgi_memory_tell_apart(uint32_t before, const char *text)
{
    unsigned long long sum =
        wsgi_hash_add(WSGI_HASH_START, (const char *)&before, sizeof before);
    uint32_t number;

    sum = wsgi_hash_add_text(sum, text);
    number = (uint32_t)(sum ^ sum >> 32);
    return number != 0 && number != UINT32_MAX ? number : 1;
}

void wsgi_memory_close(void)
{
    wsgi_tally_open(NULL, "", 0);
    if (memory != NULL)
        munmap(memory, sizeof *memory);
    memory = NULL;
}

void wsgi_memory_enter_child(void)
{
    if (kept >= 0)
        close(kept);
    kept = -1;
    unsetenv(WSGI_MEMORY_VARIABLE);
    wsgi_tally_enter_child();
}

int wsgi_memory_may_warm(void)
{
#ifdef SYS_capget
    struct {
        uint32_t version;
        int pid;
    } head = {0x20080522U, 0};
    struct {
        uint32_t effective, permitted, inheritable;
    } sets[2];

    if (syscall(SYS_capget, &head, sets) == 0)
        return (sets[0].permitted & SETUID) == 0;
#endif
    return geteuid() != 0;
}

void wsgi_memory_leave_child(void)
{
    wsgi_tally_leave_child();
}
