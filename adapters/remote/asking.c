/*
 * asking.c - asks the spawner for a process.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "parent.h"
#include "trip.h"

/* A spawner that does not read for so many milliseconds is gone. */
#define READ_MS 5000

/* Returns 0, or -1 with errno. */
static int send_ask(int asks, const wsgi_ask *ask, const int *fds,
                    size_t count)
{
    wsgi_rights rights;
    struct iovec part = {.iov_base = (void *)(uintptr_t)ask,
                         .iov_len = sizeof *ask};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct pollfd room = {.fd = asks, .events = POLLOUT};

    if (count > 0)
        wsgi_rights_put(&message, &rights, fds, count);
    while (sendmsg(asks, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        if (errno != EAGAIN && errno != EINTR)
            return -1;
        if (errno == EAGAIN && poll(&room, 1, READ_MS) == 0) {
            errno = ETIMEDOUT;
            return -1;
        }
    }
    return 0;
}

/* may_pass: the client may try again. */
static int refuse(const wsgi_request *request, const wsgi_ask *ask,
                  const char *why, int may_pass)
{
    if (may_pass)
        wsgi_retry_later(request, 1);
    wsgi_log(request, WSGI_ERROR,
             "MW0601: mod_wsgi.process '%s' can't be had, since "
             "mod_wsgi-spawner does not answer: %s",
             ask->name, why);
    return 503;
}

static int log_of(const wsgi_request *request)
{
    const wsgi_host *host = wsgi_process_given.host;

    return host->log_descriptor != NULL ? host->log_descriptor(request->record)
                                        : -1;
}

static int make_pair(int pair[2])
{
    struct timeval pause = {.tv_sec = WSGI_TRIP_LOOK_MS / 1000};

    if (wsgi_socket_pair(pair) < 0)
        return -1;
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof pause);
    return 0;
}

int wsgi_asking_connect(const wsgi_request *request, const wsgi_ask *ask,
                        wsgi_connection *connection)
{
    int asks = wsgi_parent_ask_socket(), pair[2], sent, error;
    int fds[2] = {-1, log_of(request)};
    int status = wsgi_identity_check_root(request, ask);

    if (status != 0)
        return status;
    if (asks < 0)
        return refuse(request, ask, wsgi_parent_problem(), 0);
    if (make_pair(pair) < 0)
        return refuse(request, ask, strerror(errno), 1);
    fds[0] = pair[1];
    sent = send_ask(asks, ask, fds, fds[1] >= 0 ? 2 : 1);
    error = errno;
    close(pair[1]);
    connection->socket = pair[0];
    if (sent == 0)
        return 0;
    if (error == EPIPE || error == ECONNRESET)
        return refuse(request, ask,
                      "it could not be started again: restart the server", 0);
    return refuse(request, ask, strerror(error), 1);
}

void wsgi_asking_tell_overdue(const wsgi_ask *ask,
                              const wsgi_connection *connection)
{
    wsgi_ask overdue = *ask;
    int asks = wsgi_parent_ask_socket();

    overdue.kind = WSGI_ASK_OVERDUE;
    overdue.process = connection->pid;
    if (asks >= 0)
        send_ask(asks, &overdue, NULL, 0);
}
