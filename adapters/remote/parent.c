/*
 * parent.c - the server's parent process and the spawner that it starts.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../core/fd.h"
#include "../wire/ask.h"
#include "../wire/frames.h"
#include "memory.h"
#include "parent.h"

#define SPAWNER "mod_wsgi/mod_wsgi-spawner"
#define MOST_KEPT 64 /* variables of the spawner's environment */

/* A spawner that lives shorter than this has failed, and one that has failed
   so often in a row is not started again. */
#define SHORT_LIFE 2 /* seconds */
#define MOST_FAILURES 5

/* What is kept in WSGI_PARENT_VARIABLE from pass to pass. */
typedef struct kept {
    int protocol;
    int asks, spawners; /* the two ends; -1: there is no program to start */
    unsigned long asks_number, spawners_number; /* inodes: these they are */
    long pid; /* of the spawner; 0: not yet */
} kept;

static kept here = {.asks = -1, .spawners = -1};
static char problem[PATH_MAX + 256] =
    "the server's parent process has not made one";
static time_t started; /* when the spawner was */
static int failures;

/* What the parent has seen. The children have it by the fork. */
static long long children_user = -1;
static struct stat root; /* st_ino 0: not seen */

int wsgi_parent_ask_socket(void)
{
    return here.asks;
}

void wsgi_parent_take(int asks)
{
    here.asks = asks;
}

long long wsgi_parent_user(void)
{
    return children_user;
}

int wsgi_parent_has_same_root(void)
{
    struct stat now;

    return root.st_ino == 0 || stat("/", &now) < 0 ||
           (now.st_ino == root.st_ino && now.st_dev == root.st_dev);
}

const char *wsgi_parent_problem(void)
{
    return problem;
}

/* ---- What is kept ----------------------------------------------------- */

static void keep(void)
{
    char text[160];

    snprintf(text, sizeof text, "%d %d %d %lu %lu %ld", here.protocol,
             here.asks, here.spawners, here.asks_number, here.spawners_number,
             here.pid);
    setenv(WSGI_PARENT_VARIABLE, text, 1);
}

/* Returns 1, or 0 in the first pass. A program that the server has started may
   have inherited the variable, but not the descriptors. */
static int recall(void)
{
    char *text = getenv(WSGI_PARENT_VARIABLE);
    kept k;

    if (text == NULL)
        return 0;
    k.protocol = (int)strtol(text, &text, 10);
    k.asks = (int)strtol(text, &text, 10);
    k.spawners = (int)strtol(text, &text, 10);
    k.asks_number = strtoul(text, &text, 10);
    k.spawners_number = strtoul(text, &text, 10);
    k.pid = strtol(text, &text, 10);
    if (*text != '\0' || wsgi_descriptor_number_of(k.asks) != k.asks_number ||
        wsgi_descriptor_number_of(k.spawners) != k.spawners_number)
        return 0;
    here = k;
    return 1;
}

/* ---- The ask socket --------------------------------------------------- */

/* Returns 0, or -1 with the problem told. */
static int make_socket(void)
{
    int pair[2], yes = 1;

    here = (kept){.protocol = WSGI_PROTOCOL, .asks = -1, .spawners = -1};
    if (wsgi_fd_pair(pair) < 0) {
        snprintf(problem, sizeof problem, "no socket could be made: %s",
                 strerror(errno));
        return -1;
    }
    here.asks = wsgi_descriptor_lift(pair[0]);
    here.spawners = wsgi_descriptor_lift(pair[1]);
    setsockopt(here.spawners, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes);
    here.asks_number = wsgi_descriptor_number_of(here.asks);
    here.spawners_number = wsgi_descriptor_number_of(here.spawners);
    return 0;
}

static void close_socket(void)
{
    if (here.asks >= 0)
        close(here.asks);
    if (here.spawners >= 0)
        close(here.spawners);
    here.asks = here.spawners = -1;
}

/* ---- Starting --------------------------------------------------------- */

/* Stores the spawner's path. Returns 0, or -1 with the problem told. */
static int find_spawner(char *path, size_t size)
{
    char module[PATH_MAX];
    const char *end, *why;
    struct stat s;
    Dl_info info;

    if (dladdr(&failures, &info) == 0 ||
        realpath(info.dli_fname, module) == NULL)
        snprintf(module, sizeof module, "./module");
    end = strrchr(module, '/');
    snprintf(path, size, "%.*s/" SPAWNER, (int)(end - module), module);
    why = stat(path, &s) < 0 ? strerror(errno)
                             : wsgi_ask_distrust(&s, geteuid());
    if (why != NULL)
        snprintf(problem, sizeof problem, "%.*s: %s", PATH_MAX, path, why);
    return why == NULL ? 0 : -1;
}

static int is_kept(const char *variable)
{
    static const char *const fronts[] = {
        "PATH=", "LANG=", "TMPDIR=", "MOD_WSGI_"};
    size_t i;

    if (strncmp(variable, WSGI_PARENT_VARIABLE "=",
                sizeof WSGI_PARENT_VARIABLE) == 0 ||
        strncmp(variable, WSGI_MEMORY_VARIABLE "=",
                sizeof WSGI_MEMORY_VARIABLE) == 0)
        return 0;
    for (i = 0; i < sizeof fronts / sizeof *fronts; i++)
        if (strncmp(variable, fronts[i], strlen(fronts[i])) == 0)
            return 1;
    return 0;
}

static void choose_environment(char **variables)
{
    char **variable;
    int n = 0;

    for (variable = environ; *variable != NULL && n < MOST_KEPT; variable++)
        if (is_kept(*variable))
            variables[n++] = *variable;
    variables[n] = NULL;
}

/* In the forked process. It closes all other descriptors itself. */
static void run(const wsgi_parent *parent, char **argv, char **variables)
{
    int spawners = fcntl(here.spawners, F_DUPFD, WSGI_SAFE_FD), i;
    sigset_t none;

    if (parent->log >= 0)
        dup2(parent->log, STDERR_FILENO);
    dup2(spawners, WSGI_ASK_FD);
    setsid();
    for (i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(argv[0], argv, variables);
    _exit(1);
}

/* A server that was not started by root has the rights of one user only. */
static void set_numbers(const wsgi_parent *parent, const char *mark,
                        char *user, char *group, size_t size)
{
    int is_root = geteuid() == 0;

    snprintf(user, size, "%s%lld", mark,
             is_root ? parent->user : (long long)geteuid());
    snprintf(group, size, "%s%lld", mark,
             is_root ? parent->group : (long long)getegid());
}

/* Nobody will read what is asked. So nobody may ask: requests would wait. */
static void give_up(void)
{
    close_socket();
    here = (kept){.protocol = WSGI_PROTOCOL, .asks = -1, .spawners = -1};
    keep();
}

/* Returns the spawner's process number, or 0 with the problem told. */
static long start(const wsgi_parent *parent)
{
    char path[PATH_MAX], user[24], group[24], configuration[16];
    char *variables[MOST_KEPT + 1];
    char *argv[] = {path, user, group, configuration, NULL};

    here.pid = 0;
    if (find_spawner(path, sizeof path) == 0) {
        set_numbers(parent, "", user, group, sizeof user);
        snprintf(configuration, sizeof configuration, "%u",
                 parent->configuration);
        choose_environment(variables);
        here.pid = fork();
        if (here.pid == 0)
            run(parent, argv, variables);
        if (here.pid < 0) {
            snprintf(problem, sizeof problem, "%.*s: no process: %s", PATH_MAX,
                     path, strerror(errno));
            here.pid = 0;
        }
    }
    started = time(NULL);
    if (here.pid == 0)
        give_up();
    else
        keep();
    return here.pid;
}

/* ---- The passes ------------------------------------------------------- */

/* Never waits: a spawner that does not read has other troubles. */
static void tell_restart(const wsgi_parent *parent)
{
    wsgi_ask ask = {.protocol = WSGI_PROTOCOL,
                    .kind = WSGI_ASK_RESTART,
                    .configuration = parent->configuration};
    wsgi_rights rights;
    struct iovec part = {.iov_base = &ask, .iov_len = sizeof ask};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    set_numbers(parent, "#", ask.user, ask.name, sizeof ask.name);
    if (parent->log >= 0)
        wsgi_rights_put(&message, &rights, &parent->log, 1);
    sendmsg(here.asks, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Whether the spawner of the pass before is still there. */
static int lives(void)
{
    return here.pid > 0 && waitpid((pid_t)here.pid, NULL, WNOHANG) == 0;
}

/* The first pass, or one in which no program was installed before. Returns
   whether there is an ask socket now. */
static int prepare(void)
{
    char path[PATH_MAX];

    here = (kept){.protocol = WSGI_PROTOCOL, .asks = -1, .spawners = -1};
    if (find_spawner(path, sizeof path) == 0)
        make_socket();
    keep();
    return here.asks >= 0;
}

static void look(const wsgi_parent *parent)
{
    children_user = geteuid() == 0 ? parent->user : -1;
    if (stat("/", &root) < 0)
        root.st_ino = 0;
}

long wsgi_parent_configure(const wsgi_parent *parent)
{
    failures = 0;
    look(parent);
    if (!recall()) {
        prepare();
        return 0;
    }
    if (here.protocol != WSGI_PROTOCOL)
        close_socket();
    if (here.asks < 0 && !prepare())
        return 0;
    if (!lives())
        return start(parent);
    tell_restart(parent);
    return here.pid;
}

long wsgi_parent_respawn(const wsgi_parent *parent)
{
    if (time(NULL) - started >= SHORT_LIFE)
        failures = 0;
    else if (++failures >= MOST_FAILURES) {
        snprintf(problem, sizeof problem,
                 "mod_wsgi-spawner ends as soon as it begins");
        give_up();
        return 0;
    }
    return start(parent);
}

void wsgi_parent_enter_child(void)
{
    if (here.spawners >= 0)
        close(here.spawners);
    here.spawners = -1;
    unsetenv(WSGI_PARENT_VARIABLE);
}
