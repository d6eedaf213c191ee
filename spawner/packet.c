/*
 * packet.c - sends, and never waits.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spawner.h"

int wsgi_packet_send(int socket, const void *data, size_t size, int fd)
{
    wsgi_rights rights;
    struct iovec part = {.iov_base = (void *)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (fd >= 0)
        wsgi_rights_put(&message, &rights, &fd, 1);
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
}

typedef struct refusal {
    wsgi_frame_head head;
    wsgi_wire_refused refused;
    char line[sizeof((wsgi_report *)0)->text];
} refusal;

void wsgi_packet_refuse(int connection, int status, int retry_after,
                        const char *line)
{
    refusal packet = {.head = {.type = WSGI_FRAME_REFUSED},
                      .refused = {.status = (uint16_t)status,
                                  .retry_after = (uint16_t)retry_after}};
    size_t size = strlen(line);

    if (size > sizeof packet.line)
        size = sizeof packet.line;
    memcpy(packet.line, line, size);
    size += offsetof(refusal, line);
    packet.head.size = (uint32_t)size;
    wsgi_packet_send(connection, &packet, size, -1);
}

void wsgi_packet_given(int connection, long pid, int slot, int board)
{
    struct {
        wsgi_frame_head head;
        wsgi_wire_given given;
    } packet = {
        .head = {.size = sizeof packet, .type = WSGI_FRAME_GIVEN},
        .given = {.pid = (uint32_t)pid,
                  .slot = slot < 0 ? WSGI_BOARD_SLOTS : (uint32_t)slot}};

    wsgi_packet_send(connection, &packet, sizeof packet, board);
}
