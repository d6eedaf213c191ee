/*
 * Stands in for an application's process, as spawned.py does. It is light, so
 * that thousands can start. A message on a connection is its order to end.
 */
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL = 3, NEWS = 5, MOST = 8 };

/* Returns the descriptor that came along, or -1: there is nothing to serve. */
static int take(void)
{
    char kind = 0;
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {&kind, 1};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    int fd = -1;

    if (recvmsg(CONTROL, &message, 0) != 1 || kind != 'c')
        return -1;
    if (CMSG_FIRSTHDR(&message))
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

/* Says so first, and waits until the spawner has heard it. */
static int end(void)
{
    int unheard = 1;

    if (write(NEWS, "d", 1) != 1)
        return 1;
    while (ioctl(NEWS, FIONREAD, &unheard) == 0 && unheard)
        poll(NULL, 0, 1);
    return 0;
}

int main(void)
{
    struct pollfd fds[MOST] = {{.fd = CONTROL, .events = POLLIN}};
    nfds_t count = 1;
    char byte;

    if (write(NEWS, "r", 1) != 1)
        return 1;
    while (poll(fds, count, -1) > 0) {
        for (nfds_t n = count; n-- > 1;) {
            if (!fds[n].revents)
                continue;
            if (recv(fds[n].fd, &byte, 1, 0) > 0)
                return end();
            close(fds[n].fd);
            fds[n] = fds[--count];
        }
        if (fds[0].revents) {
            int fd = take();

            if (fd < 0 || count == MOST)
                return 0;
            fds[count++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
    return 0;
}
