/*
 * cgroup.c - what all processes of a customer may use together.
 *
 * Those that an application starts, and leaves behind, are in its customer's
 * cgroup, too. So they count, and only the kernel knows of them. It tells when
 * it has killed one because memory is out, and when the last one has ended.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "compat.h"
#include "spawner.h"

#define PAUSE                                                                 \
    1000 /* milliseconds in which no other line about kills is said */
#define MB 1048576ULL

/* A customer who has a cgroup. */
typedef struct customer {
    struct customer *next;
    unsigned long user;
    unsigned long killed;  /* processes, as far as was said */
    unsigned long reached; /* how often all of the memory was used, by then */
    long long said_at;
    int memory, end; /* watches */
} customer;

static int folder = -1;  /* of all customers' cgroups; -1: there are none */
static int changes = -1; /* what the kernel tells of them */
static customer *customers;

/* ---- A customer's ----------------------------------------------------- */

/* Whether a group's user has one. Stores which user it is. */
static int is_customers(const wsgi_group *group, unsigned long *user)
{
    long long number = folder >= 0 && group->is_bounded
                           ? wsgi_ask_number(group->ask.user)
                           : -1;

    if (number >= 0)
        *user = (unsigned long)number;
    return number >= 0;
}

/* The path of a customer's cgroup, or of a file of it, below the folder. */
static const char *path_of(unsigned long user, const char *file, char *path,
                           size_t size)
{
    snprintf(path, size, "%lu%s", user, file);
    return path;
}

static int set(unsigned long user, const char *file, unsigned long long value)
{
    char path[64], text[32] = "max";

    if (value > 0)
        snprintf(text, sizeof text, "%llu", value);
    return wsgi_delegation_write(folder,
                                 path_of(user, file, path, sizeof path), text);
}

/* MB; 0: no bound. */
static unsigned long long memory_of_all(void)
{
    const wsgi_ceilings *ceilings = &wsgi_spawner_is.ceilings;

    return (unsigned long long)ceilings->memory * ceilings->processes;
}

/* What can't be limited here has no file. */
static int is_set(int result)
{
    return result == 0 || errno == ENOENT;
}

/* Returns 0, or -1 with errno. */
static int make(unsigned long user)
{
    char name[32];

    if (wsgi_delegation_make(folder, path_of(user, "", name, sizeof name)) <
            0 ||
        !is_set(set(user, "/memory.max", MB * memory_of_all())) ||
        !is_set(set(user, "/pids.max", wsgi_spawner_is.ceilings.nproc)))
        return -1;
    if (memory_of_all() > 0) /* else a customer at the bound swaps all day */
        wsgi_delegation_write(
            folder, path_of(user, "/memory.swap.max", name, sizeof name), "0");
    return 0;
}

/* Another spawner of this server may have removed it meanwhile. */
int wsgi_cgroup_enter(const wsgi_group *group)
{
    char path[64];
    unsigned long user;
    int tries;

    if (!is_customers(group, &user))
        return 0;
    path_of(user, "/cgroup.procs", path, sizeof path);
    for (tries = 0; tries < 3; tries++)
        if (make(user) == 0 && wsgi_delegation_write(folder, path, "0") == 0)
            return 0;
    return errno;
}

/* ---- What the kernel tells -------------------------------------------- */

static unsigned long number_behind(const char *text, const char *word)
{
    const char *at = strstr(text, word);

    return at != NULL ? strtoul(at + strlen(word), NULL, 10) : 0;
}

/* The kernel counts processes that it has killed for any reason. */
static void count(unsigned long user, unsigned long *killed,
                  unsigned long *reached)
{
    char path[64], text[256] = "\n";

    wsgi_delegation_read(folder,
                         path_of(user, "/memory.events", path, sizeof path),
                         text + 1, sizeof text - 1);
    *killed = number_behind(text, "\noom_kill ");
    *reached = number_behind(text, "\noom ");
}

static const wsgi_group *group_of(unsigned long user, int has_log)
{
    const wsgi_group *group;
    unsigned long its;

    for (group = wsgi_group_first(); group != NULL; group = group->next)
        if (is_customers(group, &its) && its == user &&
            (has_log ? group->log != NULL : group->workers != NULL))
            return group;
    return NULL;
}

static void tell_kills(const customer *of, unsigned long count, int is_bound)
{
    const wsgi_group *group = group_of(of->user, 1);
    char why[160] = "the memory of the machine, or what all processes of the "
                    "server may have, is used up";

    if (is_bound)
        snprintf(why, sizeof why,
                 "together they have the %llu MB that " WSGI_CEILINGS
                 " allows, processes=%u times memory=%u",
                 memory_of_all(), wsgi_spawner_is.ceilings.processes,
                 wsgi_spawner_is.ceilings.memory);
    wsgi_log_say(group != NULL ? group->log : NULL, WSGI_LOG_ERROR,
                 "MW0750: the system has killed %lu of the processes of the "
                 "user %lu: %s",
                 count, of->user, why);
}

/* A customer can have processes killed all the time. */
static void look_at_kills(customer *of, int is_last)
{
    long long now = wsgi_loop_now();
    unsigned long killed, reached;

    count(of->user, &killed, &reached);
    if (killed <= of->killed || (!is_last && now - of->said_at < PAUSE))
        return;
    tell_kills(of, killed - of->killed, reached > of->reached);
    of->killed = killed;
    of->reached = reached;
    of->said_at = now;
}

static int watch(unsigned long user, const char *file)
{
    char path[96];

    snprintf(path, sizeof path, "/proc/self/fd/%d/%lu%s", folder, user, file);
    return inotify_add_watch(changes, path, IN_MODIFY);
}

/* ---- Who has one ------------------------------------------------------ */

static customer *find(unsigned long user)
{
    customer *of = customers;

    while (of != NULL && of->user != user)
        of = of->next;
    return of;
}

static void add(unsigned long user)
{
    customer *of = calloc(1, sizeof *of);

    if (of == NULL)
        return;
    of->user = user;
    of->said_at = -PAUSE;
    count(user, &of->killed, &of->reached);
    of->memory = watch(user, "/memory.events");
    of->end = watch(user, "/cgroup.events");
    of->next = customers;
    customers = of;
}

static void forget(customer *of)
{
    customer **at = &customers;

    while (*at != of)
        at = &(*at)->next;
    *at = of->next;
    inotify_rm_watch(changes, of->memory);
    inotify_rm_watch(changes, of->end);
    free(of);
}

/* What a customer's application has left behind may still run: then it stays,
   until that has ended. */
static void look(customer *of)
{
    int is_unused = group_of(of->user, 0) == NULL;
    char name[32];

    look_at_kills(of, is_unused);
    if (is_unused &&
        (unlinkat(folder, path_of(of->user, "", name, sizeof name),
                  AT_REMOVEDIR) == 0 ||
         errno == ENOENT))
        forget(of);
}

void wsgi_cgroup_make(const wsgi_group *group)
{
    unsigned long user;

    if (!is_customers(group, &user))
        return;
    if (make(user) == 0 && find(user) == NULL)
        add(user); /* else its process will say what is wrong */
}

void wsgi_cgroup_look(const wsgi_group *group)
{
    customer *of;
    unsigned long user;

    if (is_customers(group, &user) && (of = find(user)) != NULL)
        look(of);
}

static void read_changes(void *unused)
{
    char events[4096] __attribute__((aligned(8)));
    ssize_t size = read(changes, events, sizeof events), at = 0;
    const struct inotify_event *event;
    customer *of;

    (void)unused;
    while (at < size) {
        event = (const struct inotify_event *)(events + at);
        at += (ssize_t)(sizeof *event + event->len);
        of = customers;
        while (of != NULL && of->memory != event->wd && of->end != event->wd)
            of = of->next;
        if (of != NULL)
            look(of);
    }
}

/* ---- The start -------------------------------------------------------- */

/* What an earlier spawner has left. */
static void remove_empty(void)
{
    int fd = wsgi_fd_open_at(folder, ".", O_RDONLY | O_DIRECTORY);
    DIR *all = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    while (all != NULL && (entry = readdir(all)) != NULL)
        if (strchr("0123456789", entry->d_name[0]) != NULL)
            unlinkat(folder, entry->d_name, AT_REMOVEDIR);
    if (all != NULL)
        closedir(all);
}

void wsgi_cgroup_start(void)
{
    wsgi_delegation is;
    char nice[16];

    folder = wsgi_spawner_is.is_root ? wsgi_delegation_take(&is) : -1;
    if (folder < 0) {
        if (wsgi_spawner_is.is_root && is.why[0] != '\0')
            wsgi_log_say(NULL, WSGI_LOG_WARNING,
                         "MW0751: customers have no cgroups, though %s is the "
                         "server's: %s",
                         is.path, is.why);
        return;
    }
    snprintf(nice, sizeof nice, "%u", wsgi_spawner_is.ceilings.nice);
    wsgi_delegation_write(folder, "cpu.weight.nice", nice);
    changes = wsgi_inotify_make();
    if (changes >= 0)
        wsgi_loop_add(changes, read_changes, NULL);
    remove_empty();
    wsgi_log_say(NULL, WSGI_LOG_NOTICE,
                 "MW0752: each customer has a cgroup below %s, which can "
                 "limit: %s",
                 is.path, is.limits);
}
