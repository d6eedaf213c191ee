/*
 * main.c - the program mod_wsgi-spawner.
 *
 * mod_wsgi-spawner USER GROUP CONFIGURATION: the numbers of the server's
 * children's, and what tells the server's configuration from others.
 * Descriptor 2 is the main server's log, 3 the ask socket. It ends when nobody
 * has the other end of that socket any more, or by SIGTERM.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "compat.h"
#include "spawner.h"

wsgi_spawner wsgi_spawner_is;

/* Until processes are killed, in milliseconds. An application has 5 s for its
   end. A server that sends SIGTERM kills this program after 3 s, and it is not
   to leave anyone behind. */
#define TIME_TO_END 6000
#define TIME_AFTER_SIGTERM 2500

static int signals[2]; /* a pipe: what the handler has seen */
static int is_ending;

static void note(int number)
{
    char byte = (char)number;
    int error = errno;

    if (write(signals[1], &byte, 1) < 0) /* full: the loop has work enough */
        errno = error;
    errno = error;
}

static void end(int milliseconds)
{
    if (is_ending)
        return;
    is_ending = 1;
    wsgi_loop_remove(WSGI_ASK_FD);
    close(WSGI_ASK_FD);
    wsgi_group_end(milliseconds);
}

void wsgi_main_end(void)
{
    end(TIME_TO_END);
}

static void reap(void)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        wsgi_group_reap(pid, status);
}

static void read_signals(void *unused)
{
    char byte;

    (void)unused;
    while (read(signals[0], &byte, 1) == 1)
        if (byte == SIGTERM)
            end(TIME_AFTER_SIGTERM);
        else if (byte == SIGHUP)
            wsgi_group_restart();
    reap();
}

static int catch_signals(void)
{
    static const int caught[] = {SIGTERM, SIGHUP, SIGCHLD};
    struct sigaction action = {.sa_handler = note,
                               .sa_flags = SA_RESTART | SA_NOCLDSTOP};
    size_t i;

    if (wsgi_fd_pipe(signals) < 0 ||
        fcntl(signals[0], F_SETFL, O_NONBLOCK) < 0 ||
        fcntl(signals[1], F_SETFL, O_NONBLOCK) < 0)
        return -1;
    for (i = 0; i < sizeof caught / sizeof *caught; i++)
        sigaction(caught[i], &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    return wsgi_loop_add(signals[0], read_signals, NULL);
}

/* Keeps 2 and 3 only. */
static int arrange_descriptors(void)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || fcntl(STDERR_FILENO, F_GETFD) < 0 ||
        fcntl(WSGI_ASK_FD, F_GETFD) < 0)
        return -1;
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    wsgi_close_from(WSGI_ASK_FD + 1);
    fcntl(WSGI_ASK_FD, F_SETFD, FD_CLOEXEC);
    return 0;
}

static int find_folder(const char *program)
{
    const char *end = strrchr(program, '/');
    size_t size = end != NULL ? (size_t)(end - program) : 0;

    if (size == 0 || size >= sizeof wsgi_spawner_is.folder)
        return -1;
    memcpy(wsgi_spawner_is.folder, program, size);
    return 0;
}

/* Each group and each process has some descriptors here. */
static void allow_many_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Where root has lost that right, as in some containers, processes of others
   can still be started, and end by themselves. */
static int may_kill(void)
{
    struct __user_cap_header_struct head = {
        .version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

    return syscall(SYS_capget, &head, data) < 0 ||
           (data[CAP_TO_INDEX(CAP_KILL)].effective & CAP_TO_MASK(CAP_KILL)) !=
               0;
}

static void check_rights(void)
{
    if (wsgi_spawner_is.is_root && !may_kill())
        wsgi_log_say(NULL, WSGI_LOG_WARNING,
                     "MW0637: the server may not end processes of other "
                     "users: one that hangs stays. Give it CAP_KILL");
}

/* In the log of the server. */
static void warn(const char *word, size_t size, const char *why)
{
    wsgi_log_say(NULL, WSGI_LOG_WARNING,
                 "MW0730: " WSGI_CEILINGS ": '%.*s' has no effect: %s",
                 (int)size, word, why);
}

static int start(char **argv)
{
    int error;

    wsgi_spawner_is.user = strtoll(argv[1], NULL, 10);
    wsgi_spawner_is.group = strtoll(argv[2], NULL, 10);
    wsgi_spawner_is.configuration = (uint32_t)strtoul(argv[3], NULL, 10);
    wsgi_spawner_is.is_root = geteuid() == 0;
    allow_many_descriptors();
    umask(077);
    if (find_folder(argv[0]) < 0 || catch_signals() < 0 ||
        wsgi_ask_start() < 0)
        return -1;
    error = wsgi_log_start();
    errno = error;
    if (error != 0)
        return -1;
    check_rights();
    wsgi_ceilings_read(getenv(WSGI_CEILINGS), &wsgi_spawner_is.ceilings, warn);
    wsgi_cgroup_start();
    return chdir("/");
}

int main(int argc, char **argv)
{
    if (argc != 4 || arrange_descriptors() < 0) {
        fputs("mod_wsgi: MW0704: mod_wsgi-spawner is started by the server\n",
              stderr);
        return 2;
    }
    if (start(argv) < 0) {
        perror("mod_wsgi: MW0701: mod_wsgi-spawner can't start");
        return 1;
    }
    while (!is_ending || wsgi_group_any())
        wsgi_loop_turn(wsgi_group_tick());
    wsgi_log_flush(1000);
    return 0;
}
