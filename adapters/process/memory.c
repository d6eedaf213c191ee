/*
 * memory.c - how much memory this process has.
 *
 * That is what it shares with no other process: not the code of libraries, nor
 * mapped files. What the system has swapped out counts.
 */
#include <fcntl.h>
#include <unistd.h>

#include "process.h"

/* The number behind a name such as "\nVmSwap:", in KB; 0: there is none. */
static long number_of(const char *status, const char *name)
{
    const char *found = strstr(status, name);

    return found != NULL ? strtol(found + strlen(name), NULL, 10) : 0;
}

long wsgi_memory_used(void)
{
    char status[4096];
    int fd = wsgi_fd_open("/proc/self/status", O_RDONLY);
    ssize_t size = fd >= 0 ? read(fd, status, sizeof status - 1) : -1;
    long own;

    if (fd >= 0)
        close(fd);
    if (size < 0)
        return 0;
    status[size] = '\0';
    own = number_of(status, "\nRssAnon:");
    if (own == 0) /* before Linux 4.5 */
        own = number_of(status, "\nVmRSS:");
    return (own + number_of(status, "\nVmSwap:")) / 1024;
}
