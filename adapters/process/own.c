/*
 * own.c - this process's descriptors, which an application may close.
 *
 * It may then have a file of its own under the same number. Nothing is to be
 * written there, or read.
 */
#include <sys/stat.h>

#include "process.h"

#define MOST 8

static struct {
    int fd;
    dev_t device;
    ino_t number;
} kept[MOST];

static int count;

void wsgi_own_keep(int fd)
{
    struct stat info;

    if (count == MOST || fstat(fd, &info) < 0)
        return;
    kept[count].fd = fd;
    kept[count].device = info.st_dev;
    kept[count].number = info.st_ino;
    count++;
}

int wsgi_own_has(int fd)
{
    struct stat info;
    int i;

    for (i = 0; i < count; i++)
        if (kept[i].fd == fd)
            return fstat(fd, &info) == 0 && info.st_dev == kept[i].device &&
                   info.st_ino == kept[i].number;
    return 0;
}

int wsgi_own_lost(void)
{
    int i;

    for (i = 0; i < count; i++)
        if (!wsgi_own_has(kept[i].fd))
            return kept[i].fd;
    return -1;
}
