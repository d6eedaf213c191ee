/*
 * ask.c - the fuzzer's bytes are a packet on the spawner's ask socket.
 *
 * The first byte says how many descriptors come along, and of which kind.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "spawner.h"

#define MOST_FDS 5

wsgi_spawner wsgi_spawner_is;

static wsgi_ready *read_ask;
static int server;       /* our end of the ask socket */
static int pipe_ends[2]; /* a descriptor to send along */
static int log_fd;       /* a restart gives the spawner another one */

/* ---- The rest of the spawner ------------------------------------------ */

int wsgi_loop_add(int fd, wsgi_ready *ready, void *arg)
{
    (void)fd;
    (void)arg;
    read_ask = ready;
    return 0;
}

void wsgi_main_end(void)
{
    HOLDS(!"the socket has not ended");
}

static void check_text(const char *text, size_t room)
{
    HOLDS(memchr(text, '\0', room) != NULL);
}

void wsgi_group_ask(const wsgi_ask *ask, int is_bounded, int connection,
                    int log)
{
    HOLDS(ask->protocol == WSGI_PROTOCOL && ask->kind == WSGI_ASK_CONNECT);
    check_text(ask->user, sizeof ask->user);
    check_text(ask->name, sizeof ask->name);
    check_text(ask->python, sizeof ask->python);
    HOLDS(ask->processes >= 1 && ask->processes <= WSGI_BOARD_SLOTS);
    HOLDS(ask->threads >= 1 && ask->threads <= WSGI_BOARD_SLOTS);
    HOLDS(strchr(ask->python, '/') == NULL);
    HOLDS(!ask->is_customer || is_bounded);
    HOLDS(!is_bounded || ask->user[0] == '#');
    HOLDS(close(connection) == 0);
    if (log >= 0)
        HOLDS(close(log) == 0);
}

/* What a refused one gets needs no more than this. */
void wsgi_packet_refuse(int connection, int status, int retry_after,
                        const char *line)
{
    (void)retry_after;
    HOLDS(connection >= 0 && status >= 400 && line[0] != '\0');
}

void wsgi_group_restart(void)
{
}

void wsgi_group_replace(const wsgi_ask *ask, int is_bounded)
{
    HOLDS(!is_bounded || ask->user[0] == '#');
    HOLDS(ask->protocol == WSGI_PROTOCOL && ask->kind == WSGI_ASK_OVERDUE);
    check_text(ask->user, sizeof ask->user);
    check_text(ask->name, sizeof ask->name);
    check_text(ask->python, sizeof ask->python);
}

void wsgi_log_say(wsgi_log *log, enum wsgi_log_level level, const char *format,
                  ...)
{
    char line[4096];
    va_list args;

    HOLDS(log == NULL && level == WSGI_LOG_ERROR);
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
}

/* ---- The server ------------------------------------------------------- */

static void send_packet(const uint8_t *data, size_t size, size_t fds)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(MOST_FDS * sizeof(int))];
    } control = {.head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    size_t i;

    control.head.cmsg_len = CMSG_LEN(fds * sizeof(int));
    for (i = 0; i < fds; i++)
        memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &pipe_ends[0],
               sizeof(int));
    if (fds > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    }
    HOLDS(sendmsg(server, &message, MSG_NOSIGNAL) == (ssize_t)size);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int pair[2];

    (void)argc;
    (void)argv;
    wsgi_spawner_is.is_root = geteuid() == 0;
    HOLDS(fcntl(WSGI_ASK_FD, F_GETFD) < 0);
    HOLDS(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
    server = fcntl(pair[1], F_DUPFD, 10);
    close(pair[1]);
    if (pair[0] != WSGI_ASK_FD) {
        HOLDS(dup2(pair[0], WSGI_ASK_FD) == WSGI_ASK_FD);
        close(pair[0]);
    }
    HOLDS(pipe(pipe_ends) == 0);
    log_fd = fcntl(STDERR_FILENO, F_DUPFD, 10);
    return wsgi_ask_start();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int before = fuzz_lowest_free();

    if (size < 1 || size > 4096)
        return 0;
    send_packet(data + 1, size - 1, data[0] % (MOST_FDS + 1));
    read_ask(NULL);
    HOLDS(dup2(log_fd, STDERR_FILENO) == STDERR_FILENO);
    HOLDS(fuzz_lowest_free() == before);
    return 0;
}
