/*
 * socket.c - packets on sockets, with a descriptor sometimes.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "wire.h"

#define FUSE 0x65735546L /* statfs.f_type */

/* As many descriptors as a packet can bring. The system closes those that
   there is no room for, and this thread would wait for it. */
#define MOST_BROUGHT 253

typedef union room {
    struct cmsghdr head; /* aligns the bytes */
    char bytes[CMSG_SPACE(MOST_BROUGHT * sizeof(int))];
} room;

int wsgi_socket_send(int socket, const wsgi_chunk *parts, size_t count, int fd,
                     int waits)
{
    struct iovec vectors[WSGI_SOCKET_PARTS];
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = count};
    wsgi_rights rights;
    size_t i;
    ssize_t sent;

    for (i = 0; i < count; i++) {
        vectors[i].iov_base = (void *)(uintptr_t)parts[i].data;
        vectors[i].iov_len = parts[i].size;
    }
    if (fd >= 0)
        wsgi_rights_put(&message, &rights, &fd, 1);
    do
        sent = sendmsg(socket, &message,
                       MSG_NOSIGNAL | (waits ? 0 : MSG_DONTWAIT));
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}

/* ---- Descriptors that nobody wants ------------------------------------ */

#define STACK_SIZE 65536

/* Of one owner, being closed: so many are too many, at once or as soon as
   closing has taken so many seconds. */
#define MOST_AT_ONCE 256
#define MOST_FOR_LONG 16
#define LONG_SECONDS 2

typedef struct unwanted {
    wsgi_closing *closing;
    size_t count;
    int fds[MOST_BROUGHT];
} unwanted;

void wsgi_closing_add(wsgi_closing *closing, int difference)
{
    if (closing == NULL)
        return;
    if (difference > 0 && wsgi_atomic_load(&closing->count, WSGI_RELAXED) == 0)
        wsgi_atomic_store(&closing->since, (int64_t)wsgi_seconds(),
                          WSGI_RELAXED);
    wsgi_atomic_add(&closing->count, (unsigned)difference, WSGI_RELEASE);
}

int wsgi_closing_hangs(const wsgi_closing *closing)
{
    unsigned count = wsgi_atomic_load(&closing->count, WSGI_RELAXED);
    int64_t since = wsgi_atomic_load(&closing->since, WSGI_RELAXED);

    return count >= MOST_AT_ONCE ||
           (count >= MOST_FOR_LONG &&
            (int64_t)wsgi_seconds() - since >= LONG_SECONDS);
}

static void *close_all(void *arg)
{
    unwanted *all = arg;

    while (all->count > 0) {
        close(all->fds[--all->count]);
        wsgi_closing_add(all->closing, -1);
    }
    free(all);
    return NULL;
}

void wsgi_socket_drop(const int *fds, size_t count, wsgi_closing *closing)
{
    unwanted *all = malloc(sizeof *all);
    size_t i;

    if (all != NULL) {
        memcpy(all->fds, fds, count * sizeof *fds);
        all->count = count;
        all->closing = closing;
        wsgi_closing_add(closing, (int)count);
        if (wsgi_process_add_thread(close_all, all, STACK_SIZE) != 0)
            close_all(all);
        return;
    }
    for (i = 0; i < count; i++)
        close(fds[i]);
}

/* ---- Receiving -------------------------------------------------------- */

/* How many descriptors came along. Stores them. */
static size_t get_descriptors(struct msghdr *message, int *fds)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    size_t size;

    if (head == NULL || head->cmsg_level != SOL_SOCKET ||
        head->cmsg_type != SCM_RIGHTS)
        return 0;
    size = head->cmsg_len - CMSG_LEN(0);
    memcpy(fds, CMSG_DATA(head), size);
    return size / sizeof *fds;
}

/* Returns 0 with the descriptor that came along, or -1. Or returns -1, without
   one, if something is wrong with the packet. */
static int take_descriptor(struct msghdr *message, int *fd,
                           wsgi_closing *closing)
{
    int fds[MOST_BROUGHT];
    size_t count = get_descriptors(message, fds);

    *fd = -1;
    if (count <= 1 && !(message->msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        if (count == 1)
            *fd = fds[0];
        return 0;
    }
    if (count > 0)
        wsgi_socket_drop(fds, count, closing);
    return -1;
}

long wsgi_socket_receive(int socket, char *buffer, int *fd, int waits,
                         wsgi_closing *closing)
{
    struct iovec vector = {.iov_base = buffer, .iov_len = WSGI_PACKET_MOST};
    room control;
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t got;

    *fd = -1;
    do {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_LEN(MOST_BROUGHT * sizeof(int));
        got = wsgi_fd_receive(socket, &message, waits ? 0 : MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    if (take_descriptor(&message, fd, closing) == 0)
        return got;
    errno = EPROTO;
    return -1;
}

int wsgi_socket_pair(int pair[2])
{
    int size = WSGI_PACKET_MOST, i; /* the system takes twice as much */

    if (wsgi_fd_pair(pair) < 0)
        return -1;
    for (i = 0; i < 2; i++)
        setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return 0;
}

int wsgi_socket_may_hang(int fd)
{
    struct statfs system;

    return fstatfs(fd, &system) < 0 || system.f_type == FUSE;
}
