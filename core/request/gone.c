/*
 * gone.c - whether a client has closed its connection.
 */
#include <poll.h>
#include <sys/socket.h>

#include "request.h"

int wsgi_has_gone(int socket, int is_encrypted)
{
    struct pollfd client = {.fd = socket, .events = POLLRDHUP};
    char byte;

    if (poll(&client, 1, 0) <= 0 || (client.revents & POLLNVAL) != 0)
        return 0;
    if (client.revents & (POLLERR | POLLHUP))
        return 1;
    return (is_encrypted && POLLRDHUP != POLLIN) ||
           recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}
