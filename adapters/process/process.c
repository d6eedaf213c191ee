/*
 * process.c - the program: its arguments, its control socket, its end.
 *
 * The main thread hears the spawner and signals. The crew's threads serve.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../core/request/notes.h"
#include "process.h"

/* What comes through the pipe to the main thread. */
enum { DRAIN = 'd', ENDED = 'e', STACKS = 's', WARM = 'w' };

/* How often the process looks what was used. Where there is no board, the
   spawner hears of it. */
#define LOOK_SECONDS 60
#define TELL_SECONDS 5

/* A process that has grown too large says so again, as long as it lives. */
#define STALE_SECONDS 60

static int news[2];     /* that pipe */
static int has_control; /* the spawner is there */
static time_t ready_at; /* when to say that it is ready; 0: that was said */
static long long server_user; /* who makes connections */
static long memory_most;      /* MB; 0: no bound */

static void complain(const char *what, const char *why)
{
    fprintf(stderr, "<3>mod_wsgi: %s: %s\n", what, why);
}

static void tell_main(char what)
{
    int before = errno;

    while (wsgi_own_has(news[1]) && write(news[1], &what, 1) < 0 &&
           errno == EINTR)
        ;
    errno = before;
}

static void on_signal(int number)
{
    tell_main(number == SIGUSR2 ? STACKS : DRAIN);
}

static void on_end(void)
{
    tell_main(ENDED);
}

/* ---- The spawner ------------------------------------------------------ */

/* Whoever has made a pair of sockets is named at both ends. A child of the
   server that has become the process's own user may have made it, too: what
   that user runs can do all that this process can. */
static int is_welcome(int socket)
{
    struct ucred maker;
    socklen_t size = sizeof maker;

    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &maker, &size) == 0 &&
           ((long long)maker.uid == server_user || maker.uid == getuid());
}

static void take_connection(int socket)
{
    if (is_welcome(socket)) {
        wsgi_crew_add(socket);
        return;
    }
    complain("MW0613: a connection was refused",
             "the server's user has not made it");
    close(socket);
}

static int tell_spawner(char what)
{
    ssize_t written;

    if (!wsgi_own_has(WSGI_NEWS_FD))
        return -1;
    do
        written = write(WSGI_NEWS_FD, &what, 1);
    while (written < 0 && errno == EINTR);
    return written == 1 ? 0 : -1;
}

static void drain(void)
{
    if (wsgi_crew_is_draining())
        return;
    ready_at = 0;
    if (has_control)
        tell_spawner(WSGI_CONTROL_DRAIN);
    wsgi_board_set_draining();
    wsgi_crew_drain();
}

static void tell_ready(void)
{
    ready_at = 0;
    if (tell_spawner(WSGI_CONTROL_READY) < 0)
        drain();
}

/* ---- Loads before there are requests ----------------------------------- */

static void on_warm(void)
{
    tell_main(WARM);
}

/* The process is ready when that is over, or takes too long. */
static void begin_warm(int patience)
{
    ready_at = wsgi_seconds() + patience;
    if (patience <= 0 || wsgi_warm_begin(patience, on_warm) < 0)
        tell_ready();
}

/* Notes what was used. Returns after how many seconds to look again. */
static int look(time_t now)
{
    static time_t looked_at;

    if (now - looked_at >= LOOK_SECONDS) {
        looked_at = now;
        wsgi_notes_look();
    }
    if (wsgi_board_is_there())
        return LOOK_SECONDS;
    if (has_control && wsgi_board_was_used())
        tell_spawner(WSGI_CONTROL_USED);
    return TELL_SECONDS;
}

/* ---- Memory ------------------------------------------------------------ */

static void tell_stale(long used)
{
    wsgi_log(NULL, WSGI_WARNING,
             "MW0618: the process has %ld MB of memory, more than the %ld "
             "that mod_wsgi.memory, or memory= in MOD_WSGI_LIMITS, allows: "
             "another takes its place",
             used, memory_most);
    tell_spawner(WSGI_CONTROL_STALE);
}

/* Looks once a second, where there is a bound. Returns for how many seconds
   there is no need to. */
static int look_at_memory(time_t now)
{
    static time_t next;
    long used;

    if (memory_most <= 0 || wsgi_crew_is_draining())
        return LOOK_SECONDS;
    if (now >= next) {
        used = wsgi_memory_used();
        next = now + (used > memory_most ? STALE_SECONDS : 1);
        if (used > memory_most)
            tell_stale(used);
    }
    return (int)(next - now);
}

/* Does what is due. Returns after how many milliseconds something is. */
static int pause_now(void)
{
    time_t now = wsgi_seconds();
    int used, memory;

    if (ready_at != 0 && now >= ready_at)
        tell_ready();
    if (ready_at != 0)
        return 1000;
    used = look(now);
    memory = look_at_memory(now);
    return (used < memory ? used : memory) * 1000;
}

/* ---- What comes ------------------------------------------------------- */

/* Obeys one packet of the control socket. */
static void obey(char *buffer)
{
    int fd;
    long size = wsgi_socket_receive(WSGI_CONTROL_FD, buffer, &fd, 1, NULL);

    if (size > 0 && buffer[0] == WSGI_CONTROL_CONNECTION && fd >= 0) {
        take_connection(fd);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (size == 0 || (size < 0 && errno != EPROTO)) /* the spawner is gone */
        has_control = 0;
    if (!has_control || (size > 0 && buffer[0] == WSGI_CONTROL_DRAIN))
        drain();
}

/* Sees whether the application has closed what this program needs. Threads
   that do not hear of the end are killed by the spawner. */
static void look_at_descriptors(void)
{
    int lost = wsgi_own_lost();

    if (lost < 0)
        return;
    if (!wsgi_crew_is_draining())
        wsgi_log(NULL, WSGI_ERROR,
                 "MW0640: the application has closed the descriptor %d of its "
                 "process, which is mod_wsgi's: the process ends",
                 lost);
    drain();
    has_control &= wsgi_own_has(WSGI_CONTROL_FD);
}

/* Until the last thread has ended. Connections that come meanwhile are closed,
   so that nobody waits for an answer. */
static void listen_to_all(void)
{
    static char buffer[WSGI_PACKET_MOST];
    char what = '\0';

    while (what != ENDED) {
        struct pollfd fds[] = {
            {.fd = wsgi_own_has(news[0]) ? news[0] : -1, .events = POLLIN},
            {.fd = has_control ? WSGI_CONTROL_FD : -1, .events = POLLIN}};
        int ready = poll(fds, 2, pause_now());

        look_at_descriptors();
        if (ready <= 0)
            continue;
        if (fds[1].revents != 0 && has_control)
            obey(buffer);
        if (fds[0].revents == 0 || !wsgi_own_has(news[0]) ||
            read(news[0], &what, 1) != 1)
            continue;
        if (what == DRAIN)
            drain();
        else if (what == STACKS)
            wsgi_tell_stacks();
        else if (what == WARM && ready_at != 0)
            tell_ready();
    }
}

/* In a copy that an application has forked: what is sent to the copy is not
   for this process. */
static void in_copy(void)
{
    signal(SIGTERM, SIG_DFL);
    close(news[0]);
    close(news[1]);
    close(WSGI_CONTROL_FD);
    close(WSGI_NEWS_FD);
}

/* ---- The start -------------------------------------------------------- */

/* The number in an argument, or -1 if there is none in these limits. */
static long long number(const char *argument, long long least, long long most)
{
    char *end;
    long long value = strtoll(argument, &end, 10);

    return *argument != '\0' && *end == '\0' && value >= least && value <= most
               ? value
               : -1;
}

static int prepare_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    wsgi_note_signals();
    sigemptyset(&action.sa_mask);
    signal(SIGPIPE, SIG_IGN);
    if (wsgi_fd_pipe(news) < 0 || sigaction(SIGTERM, &action, NULL) < 0 ||
        sigaction(SIGUSR2, &action, NULL) < 0)
        return errno;
    wsgi_own_keep(news[0]);
    wsgi_own_keep(news[1]);
    return pthread_atfork(NULL, NULL, in_copy);
}

static int start(char **argv)
{
    long long threads = number(argv[WSGI_ARGUMENT_THREADS], 1, 64);
    long long processes = number(argv[WSGI_ARGUMENT_PROCESSES], 1, 64);
    long long customer = number(argv[WSGI_ARGUMENT_CUSTOMER], 0, 1);
    long long configuration =
        number(argv[WSGI_ARGUMENT_CONFIGURATION], 0, UINT32_MAX);
    wsgi_process process = {.host = &wsgi_exchange_host,
                            .multithread = threads > 1,
                            .multiprocess = processes > 1,
                            .has_owner = 1,
                            .owner = customer == 1 ? (long long)getuid() : -1};
    int error;

    server_user = number(argv[WSGI_ARGUMENT_SERVER], 0, UINT32_MAX);
    memory_most = (long)number(argv[WSGI_ARGUMENT_MEMORY], 0, INT32_MAX);
    if (threads < 0 || processes < 0 || customer < 0 || server_user < 0 ||
        configuration < 0 || memory_most < 0)
        return EINVAL;
    fcntl(WSGI_CONTROL_FD, F_SETFD, FD_CLOEXEC);
    fcntl(WSGI_NEWS_FD, F_SETFD, FD_CLOEXEC);
    wsgi_own_keep(WSGI_CONTROL_FD);
    wsgi_own_keep(WSGI_NEWS_FD);
    error = prepare_signals();
    if (error != 0)
        return error;
    wsgi_board_open(
        (int)number(argv[WSGI_ARGUMENT_SLOT], 0, WSGI_BOARD_SLOTS - 1),
        (int)threads, (uint32_t)configuration);
    wsgi_start(&process);
    return wsgi_crew_start((int)threads, on_end);
}

int main(int argc, char **argv)
{
    int error = argc == WSGI_ARGUMENT_COUNT ? start(argv) : EINVAL;

    if (error != 0) {
        complain(
            "MW0614: the process can't be started; mod_wsgi-spawner starts it",
            strerror(error));
        return 1;
    }
    has_control = 1;
    begin_warm((int)number(argv[WSGI_ARGUMENT_PATIENCE], 1, 3600));
    listen_to_all();
    wsgi_stop();
    _exit(0);
}
