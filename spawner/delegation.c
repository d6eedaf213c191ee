/*
 * delegation.c - finds the server's cgroup, if it was given to the server, and
 * makes room in it for customers.
 *
 *     apache2.service    given to the server, as by Delegate=yes
 *       server           the server's processes, this program, and processes
 *                        that are no customer's
 *       customers        as much of the processor as server, and no more
 *         1000           all processes of the user 1000
 *
 * A cgroup that limits those below it may have no process. So the server's go
 * down a level, unless systemd has started them there (DelegateSubgroup=).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "compat.h"
#include "spawner.h"

#define MOUNT "/sys/fs/cgroup"
#define VERSION_2 0x63677270 /* what the kernel calls this file system */
#define SERVER "server"
#define CUSTOMERS "customers"
#define MOST_ROUNDS 100 /* processes may fork while they are moved */

/* Why something can't be had. */
static int fail(wsgi_delegation *is, const char *what)
{
    snprintf(is->why, sizeof is->why, "%s: %s", what, strerror(errno));
    return -1;
}

/* ---- Files and folders of cgroups ------------------------------------- */

static int open_folder(int folder, const char *name)
{
    return wsgi_fd_open_at(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

int wsgi_delegation_make(int folder, const char *name)
{
    if (mkdirat(folder, name, 0700) < 0)
        return errno == EEXIST ? 0 : -1;
    return fchmodat(folder, name, 0755, 0); /* whatever the umask is */
}

int wsgi_delegation_read(int folder, const char *name, char *text, size_t size)
{
    int fd = wsgi_fd_open_at(folder, name, O_RDONLY | O_NOFOLLOW);
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;

    text[got > 0 ? got : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return got < 0 ? -1 : 0;
}

int wsgi_delegation_write(int folder, const char *name, const char *text)
{
    int fd = wsgi_fd_open_at(folder, name, O_WRONLY | O_NOFOLLOW);
    ssize_t size = (ssize_t)strlen(text), written;
    int error;

    if (fd < 0)
        return -1;
    written = write(fd, text, (size_t)size);
    error = errno;
    close(fd);
    errno = error;
    return written == size ? 0 : -1;
}

/* ---- Whose it is ------------------------------------------------------ */

/* Stores the path of our own cgroup below the mount. Returns 0, or -1 if it
   can't be reached there. */
static int find_own(char *path, size_t size)
{
    char text[PATH_MAX + 64], *line, *end;

    if (wsgi_delegation_read(AT_FDCWD, "/proc/self/cgroup", text,
                             sizeof text) < 0)
        return -1;
    line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
    line = line != NULL ? strchr(line, '/') : NULL;
    end = line != NULL ? strchr(line, '\n') : NULL;
    if (end == NULL || (size_t)(end - line) >= size)
        return -1;
    *end = '\0';
    if (strstr(line, "/..") != NULL)
        return -1; /* outside of what this container sees */
    snprintf(path, size, "%s", line);
    return 0;
}

/* systemd marks what it gives away. */
static int is_marked(int folder)
{
    static const char *const marks[] = {"user.delegate", "trusted.delegate"};
    char value[4];
    size_t i;

    for (i = 0; i < sizeof marks / sizeof *marks; i++)
        if (fgetxattr(folder, marks[i], value, sizeof value) == 1 &&
            value[0] == '1')
            return 1;
    return 0;
}

/* Whether it is all that a container sees. That of the whole machine has no
   such file. */
static int is_containers(int folder, const char *path)
{
    return strcmp(path, "/") == 0 &&
           faccessat(folder, "cgroup.type", F_OK, 0) == 0;
}

/* Opens the cgroup of a path if it was given to us. Most containers may only
   look at theirs. Returns -1 if not. */
static int open_given(int mount, const char *path, int may_be_containers)
{
    int folder = open_folder(mount, path[1] != '\0' ? path + 1 : ".");

    if (folder >= 0 &&
        faccessat(folder, "cgroup.subtree_control", W_OK, AT_EACCESS) == 0 &&
        (is_marked(folder) ||
         (may_be_containers && is_containers(folder, path))))
        return folder;
    if (folder >= 0)
        close(folder);
    return -1;
}

/* Opens the cgroup that we may divide: our own, or the one above it. */
static int open_ours(int mount, wsgi_delegation *is)
{
    int folder = open_given(mount, is->path, 1);
    char *last = strrchr(is->path, '/');
    int is_moved = strcmp(last, "/" SERVER) == 0; /* by us, some time ago */

    if (folder >= 0 || last[1] == '\0')
        return folder;
    last[last == is->path] = '\0';
    is->is_above = 1;
    return open_given(mount, is->path, is_moved);
}

static int find(wsgi_delegation *is)
{
    struct statfs system;
    int mount = open_folder(AT_FDCWD, MOUNT), folder = -1;

    if (mount < 0)
        return -1;
    if (fstatfs(mount, &system) == 0 && system.f_type == VERSION_2 &&
        find_own(is->path, sizeof is->path) == 0)
        folder = open_ours(mount, is);
    close(mount);
    return folder;
}

/* ---- Dividing it ------------------------------------------------------ */

/* Moves those that are there now. Returns how many there were. */
static int move_some(int folder, int server)
{
    int fd = wsgi_fd_open_at(folder, "cgroup.procs", O_RDONLY), count = 0;
    FILE *list = fd >= 0 ? fdopen(fd, "r") : NULL;
    char pid[32];

    if (list == NULL)
        return 0;
    for (; fgets(pid, sizeof pid, list) != NULL; count++)
        if (wsgi_delegation_write(server, "cgroup.procs", pid) < 0)
            errno = 0; /* it has ended, or the next step tells */
    fclose(list);
    return count;
}

static int move_down(wsgi_delegation *is, int folder)
{
    int rounds = MOST_ROUNDS, server;

    if (wsgi_delegation_make(folder, SERVER) < 0)
        return fail(is, SERVER);
    server = open_folder(folder, SERVER);
    if (server < 0)
        return fail(is, SERVER);
    while (move_some(folder, server) > 0 && --rounds > 0)
        ;
    close(server);
    return 0;
}

/* Lets one thing be limited in the cgroups below. */
static int enable(int folder, const char *name)
{
    char word[32];

    snprintf(word, sizeof word, "+%s", name);
    return wsgi_delegation_write(folder, "cgroup.subtree_control", word);
}

static int is_word_of(const char *list, const char *word)
{
    size_t size = strlen(word);
    const char *at;

    for (at = list; (at = strstr(at, word)) != NULL; at += size)
        if ((at == list || at[-1] == ' ') && strchr(" \n", at[size]) != NULL)
            return 1;
    return 0;
}

/* What of a list may be limited here: in words, in one order. */
static void choose(const char *list, char *chosen, size_t size)
{
    static const char *const names[] = {"memory", "pids", "cpu"};
    size_t i, used = 0;

    chosen[0] = '\0';
    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (is_word_of(list, names[i]))
            used += (size_t)snprintf(chosen + used, size - used, "%s%s",
                                     used > 0 ? " " : "", names[i]);
}

static int enable_all(wsgi_delegation *is, int folder)
{
    char names[sizeof is->limits], *name, *rest;

    snprintf(names, sizeof names, "%s", is->limits);
    for (name = strtok_r(names, " ", &rest); name != NULL;
         name = strtok_r(NULL, " ", &rest))
        if (enable(folder, name) < 0)
            return fail(is, name);
    return 0;
}

/* Returns the cgroup of all customers, or -1. */
static int divide(wsgi_delegation *is, int folder)
{
    char list[256];
    int customers;

    if (wsgi_delegation_read(folder, "cgroup.controllers", list, sizeof list) <
        0)
        return fail(is, "cgroup.controllers");
    choose(list, is->limits, sizeof is->limits);
    if (is->limits[0] == '\0') {
        snprintf(is->why, sizeof is->why,
                 "it can limit neither memory nor pids nor cpu");
        return -1;
    }
    if ((!is->is_above && move_down(is, folder) < 0) ||
        enable_all(is, folder) < 0)
        return -1;
    if (wsgi_delegation_make(folder, CUSTOMERS) < 0)
        return fail(is, CUSTOMERS);
    customers = open_folder(folder, CUSTOMERS);
    if (customers < 0)
        return fail(is, CUSTOMERS);
    if (enable_all(is, customers) == 0)
        return customers;
    close(customers);
    return -1;
}

int wsgi_delegation_take(wsgi_delegation *is)
{
    int folder, customers;

    *is = (wsgi_delegation){.is_above = 0};
    folder = find(is);
    if (folder < 0)
        return -1;
    customers = divide(is, folder);
    close(folder);
    return customers;
}
