/*
 * wire.h - what a server's process and an application's process say to each
 * other: frames.
 *
 * The two share a connection: a pair of sockets of type SOCK_SEQPACKET, which
 * keeps packets whole. A packet has one or more whole frames, and at most
 * WSGI_PACKET_MOST bytes. A frame begins with 8 bytes (wsgi_frame_head).
 * Numbers are in the order of this machine's bytes.
 *
 * One request at a time is on a connection:
 *
 *   server       REQUEST
 *   application  (READ | HEAD | BODY | FILE | FAIL | LOG)* DONE
 *   server       DATA, once for each READ
 *
 * HEAD comes once, before BODY and FILE. READ and LOG may come at any time
 * before DONE: close() of an application may read behind the end of the
 * response (WSGI_WIRE_END). Anything else breaks the protocol, and the
 * connection is closed. BODY frames without a flag belong together with the
 * next one: the application has given their bytes at once.
 *
 * Before the first frame of the application the spawner may send one of two
 * frames on a new connection: GIVEN says which process has its other end, and
 * REFUSED that none will.
 *
 * Functions here are pure unless they say that they send or receive. They may
 * be called in any thread. They never trust what they read: no size, no count,
 * no text leads outside of the packet.
 */
#ifndef WSGI_WIRE_H
#define WSGI_WIRE_H

#include "../../core/request/request.h"
#include "frames.h"

/* A frame that was read. data points into the packet. */
typedef struct wsgi_frame {
    enum wsgi_frame_type type;
    unsigned flags, count;
    const char *data;
    size_t size;
} wsgi_frame;

/* What is left of a packet. */
typedef struct wsgi_packet {
    const char *at, *end;
} wsgi_packet;

/* ---- wire.c: frames. ---------------------------------------------------- */

/* Takes the next frame of a packet. Returns 1, 0 at the packet's end, or -1 if
   what follows is no frame of a known type. */
int wsgi_wire_next(wsgi_packet *packet, wsgi_frame *frame);

/* Takes the only frame of a packet. Returns 0, or -1 if it has another one or
   none. */
int wsgi_wire_only(const char *packet, size_t size, wsgi_frame *frame);

/* Takes a text that ends in NUL from the front of what is left of a frame.
   Returns it, or NULL if no NUL is there. */
const char *wsgi_wire_text(wsgi_packet *rest);

/* Begins a frame at the end of a buffer. The caller appends its bytes, then
   calls wsgi_wire_end with what this returned. Returns where the frame begins,
   or -1 when memory is out. behind: how many bytes of the frame are not in the
   buffer. They are to be sent behind it, in the same packet. */
long wsgi_wire_begin(wsgi_buffer *packet, enum wsgi_frame_type type,
                     unsigned flags, unsigned count);
void wsgi_wire_end(wsgi_buffer *packet, long begin, size_t behind);

/* Changes the count of a frame that was begun. */
void wsgi_wire_set_count(wsgi_buffer *packet, long begin, unsigned count);

/* Appends a whole frame. Returns 0, or -1 when memory is out. */
int wsgi_wire_add(wsgi_buffer *packet, enum wsgi_frame_type type,
                  unsigned flags, unsigned count, const void *data,
                  size_t size);

/* ---- request.c: REQUEST. ------------------------------------------------ */

/* Appends a REQUEST: the request, and its variables from each_env of the host.
   So many bytes of the body that have been read already are to be sent behind
   it. Authorization is sent
   as it is. htaccess and may_execute are not sent: the server has checked
   them. Who reads it finds no htaccess, and that it may execute. Returns 0, -1
   when memory is out, or -2 when all this does not fit into a packet. */
int wsgi_wire_put_request(wsgi_buffer *packet, const wsgi_request *request,
                          const wsgi_host *host, size_t eager_size);

/* A REQUEST that was read. Everything points into the packet. */
typedef struct wsgi_wire_request {
    wsgi_request request;  /* record is NULL */
    const char *variables; /* count of them, as they lie in the packet */
    unsigned count;
    const char *configured; /* the first of them that may be a setting, and */
    unsigned configured_count; /* those behind it */
    const char *eager;
    size_t eager_size;
} wsgi_wire_request;

/* Reads a frame of type REQUEST. Returns 0, or -1 if it is none. */
int wsgi_wire_get_request(const wsgi_frame *frame, wsgi_wire_request *to);

/* Calls put(arg, ...) for each variable. */
void wsgi_wire_each_variable(const wsgi_wire_request *request, wsgi_put *put,
                             void *arg);

/* Calls put(arg, ...) for all that may be settings, and perhaps for others. */
void wsgi_wire_each_configured(const wsgi_wire_request *request, wsgi_put *put,
                               void *arg);

/* ---- head.c: HEAD. ------------------------------------------------------ */

/* Appends a HEAD. Returns 0, -1 when memory is out, or -2 when it does not fit
   into a packet. */
int wsgi_wire_put_head(wsgi_buffer *packet, const wsgi_head *head);

/* Reads a frame of type HEAD. room becomes memory for head->headers, and is
   the caller's. The texts point into the packet. Checks what a head of
   HTTP may be, as the core has done: status and its line, names and values of
   headers, none that are the server's own (hop-by-hop). So a process that lies
   can't write what an application could not. Returns 0, or -1 if it may not be
   sent; *why says why then. */
int wsgi_wire_get_head(const wsgi_frame *frame, wsgi_buffer *room,
                       wsgi_head *head, const char **why);

/* ---- socket.c: packets on sockets. -------------------------------------- */

#define WSGI_SOCKET_PARTS 64

/* Sends a packet of at most WSGI_SOCKET_PARTS parts, and a descriptor unless
   fd is -1. If waits is not 0, waits until there is room; else that is EAGAIN.
   Never raises SIGPIPE. Returns 0, or -1 with errno: EPIPE or ECONNRESET when
   the other end is closed. */
int wsgi_socket_send(int socket, const wsgi_chunk *parts, size_t count, int fd,
                     int waits);

/* Descriptors of one owner that are being closed. Zeros to begin with. It must
   stay as long as there are any. */
typedef struct wsgi_closing {
    unsigned count; /* atomic */
    int64_t since;  /* atomic: there were always some, by wsgi_seconds */
} wsgi_closing;

/* So many descriptors begin to be closed, or are closed (below 0). Any thread.
   closing: NULL: nobody counts. */
void wsgi_closing_add(wsgi_closing *closing, int difference);

/* Whether the closing of too many does not end. Any thread. */
int wsgi_closing_hangs(const wsgi_closing *closing);

/* Receives a packet into buffer, which has room for WSGI_PACKET_MOST bytes,
   and a descriptor into *fd (else -1), which is the caller's and closed on
   exec. If waits is not 0, waits for a packet; else that none has come is
   EAGAIN. A packet that was cut, or has more than one descriptor, is EPROTO.
   All its descriptors are dropped then, and counted in closing. Returns the
   size, 0 when the other end is closed, or -1 with errno: ECONNRESET when the
   other end was closed before it had read all that was sent. ECONNRESET comes
   once, and before packets that the other end has sent: they come in the next
   calls. */
long wsgi_socket_receive(int socket, char *buffer, int *fd, int waits,
                         wsgi_closing *closing);

/* Closes descriptors that a process has sent and nobody wants, at most as many
   as a packet brings. To close one can take for ever: SO_LINGER, FUSE. So that
   is done in a thread of its own, and counted in closing, which may be NULL.
 */
void wsgi_socket_drop(const int *fds, size_t count, wsgi_closing *closing);

/* Whether a read of a file may never return: its file system is a program of
   some user (FUSE), or unknown. Applications may wait for that, and a server
   may not. */
int wsgi_socket_may_hang(int fd);

/* Makes a pair of sockets, closed on exec, that take the largest packet.
   Returns 0, or -1 with errno. */
int wsgi_socket_pair(int pair[2]);

#endif
