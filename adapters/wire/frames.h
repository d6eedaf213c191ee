/*
 * frames.h - the frames of wire.h as they lie in a packet.
 *
 * Apart from wire.h, since the spawner sends two of them and has nothing of
 * the core.
 */
#ifndef WSGI_FRAMES_H
#define WSGI_FRAMES_H

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Of a packet, and of the bytes of a body in one packet. */
#define WSGI_PACKET_MOST 131072
#define WSGI_BODY_MOST 65536

enum wsgi_frame_type {
    WSGI_FRAME_REQUEST = 1, /* to the application */
    WSGI_FRAME_DATA,        /* to the application: bytes of the body; or flags
                               has an enum wsgi_read, negated */
    WSGI_FRAME_HEAD,        /* to the server, as all that follow */
    WSGI_FRAME_BODY,        /* bytes */
    WSGI_FRAME_FILE,        /* wsgi_wire_file; one descriptor comes along */
    WSGI_FRAME_READ,        /* uint32_t: how many bytes at most */
    WSGI_FRAME_LOG,         /* flags: an enum wsgi_level. A line, no NUL */
    WSGI_FRAME_FAIL,        /* the response is to look broken */
    WSGI_FRAME_DONE,   /* count: what wsgi_handle has returned. flags: after
                          how many seconds the client may try again; 0: not
                          known. Nothing, or uint32_t: how many milliseconds
                          the application took to load */
    WSGI_FRAME_GIVEN,  /* by the spawner: wsgi_wire_given; the descriptor
                          of a board may come along */
    WSGI_FRAME_REFUSED /* by the spawner: wsgi_wire_refused, a line */
};

/* Flags of BODY and FILE. */
enum {
    WSGI_WIRE_FLUSH = 1, /* WSGI_FLUSH */
    WSGI_WIRE_END = 2    /* WSGI_END */
};

typedef struct wsgi_frame_head {
    uint32_t size; /* of the frame, with these 8 bytes */
    uint8_t type;
    uint8_t flags;
    uint16_t count;
} wsgi_frame_head;

typedef struct wsgi_wire_file {
    int64_t offset, size;
} wsgi_wire_file;

typedef struct wsgi_wire_given {
    uint32_t pid;
    uint32_t slot; /* of that process, on the board; WSGI_BOARD_SLOTS or more:
                      it has none */
} wsgi_wire_given;

typedef struct wsgi_wire_refused {
    uint16_t status;
    uint16_t retry_after; /* seconds; 0: the client is not told to retry */
} wsgi_wire_refused;

/* ---- Descriptors that come along with a packet. ------------------------- */

#define WSGI_RIGHTS_MOST 2 /* descriptors in a message */

/* Memory for them. It must live until the message is sent. */
typedef union wsgi_rights {
    struct cmsghdr head; /* aligns the bytes */
    char bytes[CMSG_SPACE(WSGI_RIGHTS_MOST * sizeof(int))];
} wsgi_rights;

/* Adds count descriptors to a message that has none yet. They stay the
   caller's. Pure; any thread. */
static inline void wsgi_rights_put(struct msghdr *message, wsgi_rights *rights,
                                   const int *fds, size_t count)
{
    memset(rights, 0, sizeof *rights);
    message->msg_control = rights->bytes;
    message->msg_controllen = CMSG_SPACE(count * sizeof *fds);
    rights->head.cmsg_level = SOL_SOCKET;
    rights->head.cmsg_type = SCM_RIGHTS;
    rights->head.cmsg_len = CMSG_LEN(count * sizeof *fds);
    memcpy(CMSG_DATA(&rights->head), fds, count * sizeof *fds);
}

#endif
