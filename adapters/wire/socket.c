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

/* Room for one descriptor, and not for a second one: CMSG_LEN is given to the
   system, since the padding in CMSG_SPACE has room for another. */
typedef union room {
    struct cmsghdr head; /* aligns the bytes */
    char bytes[CMSG_SPACE(sizeof(int))];
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

/* The descriptor that came along, or -1. */
static int get_descriptor(struct msghdr *message)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(message);
    int fd = -1;

    if (head != NULL && head->cmsg_level == SOL_SOCKET &&
        head->cmsg_type == SCM_RIGHTS &&
        head->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(&fd, CMSG_DATA(head), sizeof fd);
    return fd;
}

long wsgi_socket_receive(int socket, char *buffer, int *fd, int waits)
{
    struct iovec vector = {.iov_base = buffer, .iov_len = WSGI_PACKET_MOST};
    room control = {.head = {.cmsg_len = 0}};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    ssize_t got;

    *fd = -1;
    do {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_LEN(sizeof(int));
        got = recvmsg(socket, &message,
                      MSG_CMSG_CLOEXEC | (waits ? 0 : MSG_DONTWAIT));
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return -1;
    *fd = get_descriptor(&message);
    if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return got;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = EPROTO;
    return -1;
}

int wsgi_socket_pair(int pair[2])
{
    int size = WSGI_PACKET_MOST, i; /* the system takes twice as much */

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
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
