/*
 * program.c - in a forked process: becomes the program that runs
 * applications.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compat.h"
#include "spawner.h"

#define PROGRAM "mod_wsgi-py"
#define REPORTS_FD 6
#define SAFE_FD 16        /* descriptors below are given their meaning */
#define SECONDS_TO_FIND 5 /* for finding the user */
#define STANDARD_PATH "/usr/local/bin:/usr/bin:/bin"

static void tell(const wsgi_report *report)
{
    if (write(REPORTS_FD, report, sizeof *report) < 0)
        _exit(1);
}

static void give_up(wsgi_report *report, int status, const char *path,
                    const char *why)
{
    report->status = status;
    snprintf(report->text, sizeof report->text, "%.800s: %s", path, why);
}

/* ---- What a process has ----------------------------------------------- */

static int lift(int fd)
{
    return fd < 0 ? -1 : wsgi_fd_copy(fd, SAFE_FD);
}

static void arrange_descriptors(const wsgi_program *program)
{
    int output = lift(program->output), control = lift(program->control);
    int board = lift(program->board), reports = lift(program->reports);
    int news = lift(program->news);

    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    dup2(control, WSGI_CONTROL_FD);
    close(WSGI_BOARD_FD);
    if (board >= 0)
        dup2(board, WSGI_BOARD_FD);
    dup2(news, WSGI_NEWS_FD);
    dup2(reports, REPORTS_FD);
    fcntl(REPORTS_FD, F_SETFD, FD_CLOEXEC);
    wsgi_close_from(REPORTS_FD + 1);
}

static void reset_signals(void)
{
    sigset_t none;
    int i;

    for (i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* ---- Which program ---------------------------------------------------- */

/* Greater for a newer Python; 0: no program of ours. "3.13" is before
   "3.13t". */
static long version(const char *name)
{
    size_t front = sizeof PROGRAM - 1;
    char *end;
    long major, minor;

    if (strncmp(name, PROGRAM, front) != 0)
        return 0;
    major = strtol(name + front, &end, 10);
    if (*end != '.')
        return 0;
    minor = strtol(end + 1, &end, 10);
    if (*end != '\0' && strcmp(end, "t") != 0)
        return 0; /* what a package manager or an editor has left */
    return 2 * (1000 * major + minor) + (*end == '\0');
}

/* Stores the name of the newest program. */
static void find_newest(char *name, size_t size)
{
    DIR *folder = opendir(wsgi_spawner_is.folder);
    const struct dirent *entry;
    long newest = 0;

    snprintf(name, size, PROGRAM "X.Y");
    while (folder != NULL && (entry = readdir(folder)) != NULL)
        if (version(entry->d_name) > newest) {
            newest = version(entry->d_name);
            snprintf(name, size, "%s", entry->d_name);
        }
    if (folder != NULL)
        closedir(folder);
}

/* Stores the program's path. Returns 0, or -1 with a report. */
static int find_program(const char *python, char *path, size_t size,
                        wsgi_report *report)
{
    char name[NAME_MAX + 1];
    const char *why;
    struct stat s;

    if (python[0] == '\0')
        find_newest(name, sizeof name);
    else
        snprintf(name, sizeof name, PROGRAM "%s", python);
    snprintf(path, size, "%s/%s", wsgi_spawner_is.folder, name);
    if (stat(path, &s) < 0)
        why = strerror(errno);
    else if (!S_ISREG(s.st_mode))
        why = "it is not a file";
    else
        why = wsgi_ask_distrust(&s, wsgi_spawner_is.is_root ? 0 : geteuid());
    if (why == NULL)
        return 0;
    give_up(report, 503, path, why);
    return -1;
}

/* ---- The start -------------------------------------------------------- */

static void put(char **environ_end[], const char *name, const char *value)
{
    char *variable;

    if (asprintf(&variable, "%s=%s", name, value) >= 0)
        *(*environ_end)++ = variable;
}

/* Appends a variable of the spawner's own environment, if it is set. */
static void keep(char **environ_end[], const char *name)
{
    const char *value = getenv(name);

    if (value != NULL)
        put(environ_end, name, value);
}

static void run(const wsgi_program *program, const wsgi_user *user,
                const char *path, char *title)
{
    char threads[16], processes[16], customer[16], server[16], slot[16];
    char configuration[16], patience[16], memory[16];
    char *argv[] = {(char *)path, title,  threads, processes,
                    customer,     server, slot,    configuration,
                    patience,     memory, NULL};
    char *variables[16], **end = variables;

    put(&end, "HOME", user->home);
    put(&end, "USER", user->name);
    put(&end, "LOGNAME", user->name);
    put(&end, "PATH", getenv("PATH") != NULL ? getenv("PATH") : STANDARD_PATH);
    put(&end, "LANG", "C.UTF-8");
    keep(&end, "MOD_WSGI_PYTHON_HOME");
    keep(&end, "MOD_WSGI_MAX_INTERPRETERS");
    keep(&end, "TMPDIR");
    *end = NULL;
    snprintf(threads, sizeof threads, "%u", program->ask->threads);
    snprintf(processes, sizeof processes, "%u", program->ask->processes);
    snprintf(customer, sizeof customer, "%u", program->ask->is_customer);
    snprintf(server, sizeof server, "%lld", wsgi_spawner_is.user);
    snprintf(slot, sizeof slot, "%d", program->slot);
    snprintf(configuration, sizeof configuration, "%u",
             wsgi_spawner_is.configuration);
    snprintf(patience, sizeof patience, "%d", program->patience);
    snprintf(memory, sizeof memory, "%u", program->ask->memory);
    alarm(0);
    execve(path, argv, variables);
}

static const char *problem_of_start(int error)
{
    return error == EAGAIN ? "its user has as many processes and threads as "
                             "nproc of " WSGI_CEILINGS " allows"
                           : strerror(error);
}

/* Becomes the user. Returns 0, or -1 with a report. */
static int become(const wsgi_program *program, const wsgi_user *user,
                  wsgi_report *report)
{
    wsgi_bounds_set(program->ask, user, program->is_bounded);
    umask(022);
    if (wsgi_user_become(user, report) < 0)
        return -1;
    if (chdir(user->home) < 0 && chdir("/") < 0) {
        give_up(report, 500, "/", strerror(errno));
        return -1;
    }
    return 0;
}

void wsgi_program_run(const wsgi_program *program)
{
    wsgi_report report = {.status = 0};
    wsgi_user user;
    char path[PATH_MAX + NAME_MAX + 2];

    arrange_descriptors(program);
    setsid();
    reset_signals();
    alarm(SECONDS_TO_FIND);
    if (wsgi_user_find(program->ask, &user, &report) == 0) {
        snprintf(report.text, sizeof report.text, "%s/%s", user.name,
                 program->ask->name);
        tell(&report);
        if (become(program, &user, &report) == 0 &&
            find_program(program->ask->python, path, sizeof path, &report) ==
                0) {
            run(program, &user, path, report.text);
            give_up(&report, 503, path, problem_of_start(errno));
        }
    }
    tell(&report);
    _exit(1);
}
