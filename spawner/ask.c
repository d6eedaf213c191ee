/*
 * ask.c - the ask socket: what the server wants.
 *
 * The server's children may have been broken into. So every ask is checked. An
 * ask that makes no sense is refused if it brought a connection.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "compat.h"
#include "spawner.h"

/* What came with a packet. */
typedef struct arrival {
    wsgi_ask ask;
    int fds[2]; /* -1: none */
    uid_t sender;
    int has_sender;
} arrival;

static void keep_fds(arrival *letter, const struct cmsghdr *c)
{
    size_t i, n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int fd;

    for (i = 0; i < n; i++) {
        memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        if (letter->fds[0] < 0)
            letter->fds[0] = fd;
        else if (letter->fds[1] < 0)
            letter->fds[1] = fd;
        else
            close(fd);
    }
}

static void open_letter(arrival *letter, struct msghdr *message)
{
    struct cmsghdr *c;
    struct ucred sender;

    for (c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_RIGHTS) {
            keep_fds(letter, c);
        } else if (c->cmsg_type == SCM_CREDENTIALS &&
                   c->cmsg_len >= CMSG_LEN(sizeof sender)) {
            memcpy(&sender, CMSG_DATA(c), sizeof sender);
            letter->sender = sender.uid;
            letter->has_sender = 1;
        }
    }
}

/* Returns the packet's size, 0 at the end, -1 if there is none now. */
static ssize_t receive(arrival *letter)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(struct ucred)) +
                  CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = &letter->ask,
                         .iov_len = sizeof letter->ask};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    ssize_t size;

    *letter = (arrival){.fds = {-1, -1}};
    size = wsgi_fd_receive(WSGI_ASK_FD, &message, MSG_DONTWAIT);
    if (size < 0)
        return errno == EAGAIN || errno == EINTR ? -1 : 0;
    open_letter(letter, &message);
    return message.msg_flags & MSG_TRUNC ? (ssize_t)sizeof letter->ask + 1
                                         : size;
}

static int is_text(const char *text, size_t room)
{
    return memchr(text, '\0', room) != NULL;
}

static int is_count(uint32_t count)
{
    return count >= 1 && count <= WSGI_BOARD_SLOTS;
}

/* Whether a child's ask is in order. */
static int is_in_order(const wsgi_ask *ask)
{
    return ask->name[0] != '\0' && is_count(ask->processes) &&
           is_count(ask->threads) && ask->is_customer <= 1 &&
           (!ask->is_customer || ask->user[0] == '#') &&
           ask->python[strspn(ask->python, "0123456789.t")] == '\0';
}

/* Why an ask can't be served, or NULL. */
static const char *problem(const wsgi_ask *ask, size_t size)
{
    if (size >= sizeof ask->protocol && ask->protocol != WSGI_PROTOCOL)
        return "mod_wsgi-spawner is of another version than the server's "
               "module: restart the server";
    if (size != sizeof *ask || !is_text(ask->user, sizeof ask->user) ||
        !is_text(ask->python, sizeof ask->python) ||
        !is_text(ask->name, sizeof ask->name) ||
        (ask->kind != WSGI_ASK_RESTART && !is_in_order(ask)))
        return "mod_wsgi-spawner does not understand what a process of the "
               "server asks for";
    return NULL;
}

static void close_fds(const arrival *letter)
{
    if (letter->fds[0] >= 0)
        close(letter->fds[0]);
    if (letter->fds[1] >= 0)
        close(letter->fds[1]);
}

/* Only the server's parent, which is root or who runs the server. */
static int is_believed(const arrival *letter)
{
    return letter->has_sender &&
           (letter->sender == 0 || letter->sender == geteuid());
}

long long wsgi_ask_number(const char *text)
{
    const char *digits = text + 1;
    unsigned long number;

    if (text[0] != '#' || digits[0] == '\0' ||
        digits[strspn(digits, "0123456789")] != '\0')
        return -1;
    number = strtoul(digits, NULL, 10);
    return number < (uid_t)-1 ? (long long)number : -1;
}

static int is_of_server(const arrival *letter)
{
    return is_believed(letter) ||
           (letter->has_sender &&
            (long long)letter->sender == wsgi_spawner_is.user);
}

/* A child of the server that has become another user, as by mpm-itk, asks for
   that user's processes only. */
static int may_ask(const arrival *letter)
{
    return is_of_server(letter) ||
           (letter->has_sender &&
            (long long)letter->sender == wsgi_ask_number(letter->ask.user));
}

/* Whether the limits of customers hold. In a child that has become a user, as
   by mpm-itk, code of that user may run, which says of itself what it likes.
 */
static int is_bounded(const arrival *letter)
{
    return letter->ask.is_customer || !is_of_server(letter);
}

static void restart(const arrival *letter)
{
    const wsgi_ask *ask = &letter->ask;
    long long user = wsgi_ask_number(ask->user);
    long long group = wsgi_ask_number(ask->name);

    if (letter->fds[0] >= 0)
        dup2(letter->fds[0], STDERR_FILENO);
    close_fds(letter);
    if (user >= 0 && group >= 0) {
        wsgi_spawner_is.user = user;
        wsgi_spawner_is.group = group;
        wsgi_spawner_is.configuration = ask->configuration;
    }
    wsgi_group_restart();
}

static void refuse(const arrival *letter, int status, const char *why)
{
    if (letter->fds[0] >= 0)
        wsgi_packet_refuse(letter->fds[0], status, 0, why);
    close_fds(letter);
    wsgi_log_say(NULL, WSGI_LOG_ERROR, "MW0705: %s", why);
}

/* What brings no connection. */
static void drop(const arrival *letter)
{
    close_fds(letter);
    if (letter->ask.kind == WSGI_ASK_OVERDUE && may_ask(letter))
        wsgi_group_replace(&letter->ask, is_bounded(letter));
}

static void read_ask(void *unused)
{
    arrival letter;
    ssize_t size = receive(&letter);
    const char *why;

    (void)unused;
    if (size == 0 && !letter.has_sender) { /* an empty packet has one */
        wsgi_main_end();
        return;
    }
    if (size < 0)
        return;
    why = problem(&letter.ask, (size_t)size);
    if (why != NULL)
        refuse(&letter, 503, why);
    else if (letter.ask.kind == WSGI_ASK_RESTART && is_believed(&letter))
        restart(&letter);
    else if (letter.ask.kind == WSGI_ASK_CONNECT && !may_ask(&letter))
        refuse(&letter, 500,
               "a process of the server that has become another user may ask "
               "for that user's processes only");
    else if (letter.ask.kind == WSGI_ASK_CONNECT && letter.fds[0] >= 0)
        wsgi_group_ask(&letter.ask, is_bounded(&letter), letter.fds[0],
                       letter.fds[1]);
    else
        drop(&letter);
}

int wsgi_ask_start(void)
{
    int yes = 1;

    if (setsockopt(WSGI_ASK_FD, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0)
        return -1;
    return wsgi_loop_add(WSGI_ASK_FD, read_ask, NULL);
}
