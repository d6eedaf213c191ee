/*
 * proc.c - what the system says of a process: its memory and its age.
 */
#include <fcntl.h>
#include <unistd.h>

#include "status.h"

#define GROUP 2    /* fields of /proc/PID/stat behind the program's name */
#define BEGIN 19   /* when it began, in ticks since the system's start */
#define RESIDENT 1 /* a field of /proc/PID/statm: pages */

/* Returns 0, or -1 if there is no such file. */
static int read_file(const char *path, char *text, size_t size)
{
    int fd = wsgi_fd_open(path, O_RDONLY);
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;

    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    return got > 0 ? 0 : -1;
}

/* The number in field n, counted from 0, or 0. */
static unsigned long long field(const char *text, int n)
{
    for (; text != NULL && n > 0; n--) {
        text = strchr(text, ' ');
        text = text != NULL ? text + 1 : NULL;
    }
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static double uptime(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

unsigned long wsgi_proc_look(unsigned long pid, unsigned long long *memory,
                             double *age)
{
    char path[64], text[1024];
    const char *fields;

    *memory = 0;
    *age = -1;
    snprintf(path, sizeof path, "/proc/%lu/statm", pid);
    if (read_file(path, text, sizeof text) == 0)
        *memory = field(text, RESIDENT) *
                  (unsigned long long)sysconf(_SC_PAGESIZE);
    snprintf(path, sizeof path, "/proc/%lu/stat", pid);
    if (read_file(path, text, sizeof text) < 0)
        return 0;
    fields = strrchr(text, ')'); /* the name may have spaces */
    if (fields == NULL || fields[1] == '\0')
        return 0;
    fields += 2;
    *age = uptime() -
           (double)field(fields, BEGIN) / (double)sysconf(_SC_CLK_TCK);
    if (*age < 0)
        *age = 0;
    return (unsigned long)field(fields, GROUP);
}
