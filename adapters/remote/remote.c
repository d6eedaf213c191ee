/*
 * remote.c - serves a request in an application's process.
 *
 * A process that ends before it has read the request has done nothing. So the
 * same bytes go to another one, of a POST, too. When it ends later, nobody
 * knows how much it has done, and the client gets 502.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../core/run.h"
#include "serve.h"
#include "trip.h"

#define MOST_TRIES 5     /* fresh processes that end before they read */
#define EAGER_MOST 65536 /* a longer body is read when the process asks */

/* In so many milliseconds the spawner has said whether a process begins. */
#define ANSWER_MS 70000

#define BAD_GATEWAY 502
#define UNAVAILABLE 503
#define GATEWAY_TIMEOUT 504

/* ---- What is sent ----------------------------------------------------- */

/* The Python of this module, which is the standard one of processes, too. */
static const char *own_python(void)
{
    static const char front[] = " Python/";
    const char *found = strstr(wsgi_component, front);

    return found != NULL ? found + sizeof front - 1 : "";
}

static uint32_t bound_of(long setting)
{
    return setting > 0 ? (uint32_t)setting : 0;
}

/* The server's own bound holds where none is set. */
static uint32_t timeout_of(const wsgi_request *request, const wsgi_settings *s)
{
    const wsgi_host *host = wsgi_process_given.host;

    return bound_of(s->timeout == 0 && host->timeout != NULL
                        ? host->timeout(request->record)
                        : s->timeout);
}

static void fill_ask(wsgi_ask *ask, const wsgi_request *request,
                     const wsgi_settings *s)
{
    const char *python = s->python != NULL ? s->python : own_python();

    ask->protocol = WSGI_PROTOCOL;
    ask->kind = WSGI_ASK_CONNECT;
    ask->processes = (uint32_t)s->processes;
    ask->threads = (uint32_t)s->threads;
    ask->timeout = timeout_of(request, s);
    ask->idle = bound_of(s->idle);
    ask->memory = bound_of(s->memory);
    ask->is_customer = s->owner > 0;
    if (ask->is_customer)
        snprintf(ask->user, sizeof ask->user, "#%lld", s->owner);
    else
        snprintf(ask->user, sizeof ask->user, "%s",
                 s->user != NULL ? s->user : "");
    snprintf(ask->python, sizeof ask->python, "%s", python);
    wsgi_naming_process(request, s, ask->name, sizeof ask->name);
    if (ask->is_customer) /* the spawner does the same */
        wsgi_ceilings_apply(wsgi_serve_ceilings(), ask);
}

/* Reads a small body before the request is sent. A slow client then waits
   here, and not in the application's process. Returns 0, or -1 when memory is
   out. */
static int read_early(wsgi_trip *trip)
{
    wsgi_buffer *body = &trip->scratch->body;
    int64_t length = trip->request->body_length, got = 1;

    if (length < 1 || length > EAGER_MOST || trip->request->expects)
        return 0;
    if (wsgi_buffer_reserve(body, (size_t)length) < 0)
        return -1;
    while (got > 0 && body->size < (size_t)length) {
        got = trip->host->read_body(trip->request->record,
                                    body->data + body->size,
                                    (size_t)length - body->size);
        if (got > 0)
            body->size += (size_t)got;
    }
    trip->read_error = got < 0 ? (int)got : 0;
    return 0;
}

/* Makes the packet. If the body does not fit, the process asks for it. Returns
   what wsgi_wire_put_request returns. */
static int make_packet(wsgi_trip *trip)
{
    wsgi_buffer *packet = &trip->scratch->packet;
    const wsgi_buffer *body = &trip->scratch->body;
    int result =
        wsgi_wire_put_request(packet, trip->request, trip->host, body->size);

    trip->body_given = body->size;
    if (result != -2 || body->size == 0)
        return result;
    packet->size = 0;
    trip->body_given = 0;
    return wsgi_wire_put_request(packet, trip->request, trip->host, 0);
}

/* Returns 0, or an HTTP status after logging. */
static int pack(wsgi_trip *trip)
{
    int result = read_early(trip);

    if (result == 0)
        result = make_packet(trip);
    if (result == 0)
        return 0;
    wsgi_log(trip->request, WSGI_ERROR,
             "MW0608: the request can't be sent: %s",
             result == -1 ? "out of memory"
                          : "its variables have more than 128 KB");
    return result == -1 ? 500 : 431;
}

/* ---- What comes back -------------------------------------------------- */

/* What a trip has come to, beside an enum wsgi_next. LEFT: the client has gone
   before the response has begun. */
enum { UNREAD = WSGI_NEXT_BROKEN + 1, LOST, SILENT, UNSENT, OVERDUE, LEFT };

/* Whether something was sent to the process that it has not read yet. */
static int is_unread(const wsgi_connection *connection)
{
    int bytes = 0;

    return ioctl(connection->socket, TIOCOUTQ, &bytes) == 0 && bytes > 0;
}

/* Whether the process may be left alone with a request whose client has gone:
   it has not begun, or the server ends. A server that does not end gracefully
   closes its clients' connections, and waits for its threads. */
static int may_leave(const wsgi_trip *trip)
{
    const wsgi_host *host = trip->host;

    return (trip->stage == WSGI_TRIP_SENT && is_unread(trip->connection)) ||
           (host->is_stopping != NULL && host->is_stopping());
}

/* Nothing has come for WSGI_TRIP_LOOK_MS. If the client has gone, an answer
   may have no use. A process that has not begun sees at once that the
   connection is shut. */
static int look_at_client(const wsgi_trip *trip)
{
    if (!may_leave(trip) || trip->host->is_gone == NULL ||
        !trip->host->is_gone(trip->request->record))
        return WSGI_NEXT_PACKET;
    shutdown(trip->connection->socket, SHUT_RDWR);
    return trip->stage < WSGI_TRIP_BEGUN ? LEFT : WSGI_NEXT_GONE;
}

/* Waits until the spawner says something on a fresh connection. */
static int await_spawner(const wsgi_trip *trip)
{
    struct pollfd spawner = {.fd = trip->connection->socket, .events = POLLIN};
    int waited, ready, next = WSGI_NEXT_PACKET;

    for (waited = 0; waited < ANSWER_MS && next == WSGI_NEXT_PACKET;
         waited += WSGI_TRIP_LOOK_MS) {
        do
            ready = poll(&spawner, 1, WSGI_TRIP_LOOK_MS);
        while (ready < 0 && errno == EINTR);
        if (ready > 0)
            return WSGI_NEXT_PACKET;
        next = look_at_client(trip);
    }
    return next == WSGI_NEXT_PACKET ? SILENT : next;
}

/* Obeys packets to the end. ECONNRESET says that the process has left
   something unread; packets that it has sent come after that. */
static int converse(wsgi_trip *trip, int is_reset)
{
    int next = WSGI_NEXT_PACKET, fd;
    long size;

    while (next == WSGI_NEXT_PACKET) {
        if (trip->connection->is_fresh &&
            (next = await_spawner(trip)) != WSGI_NEXT_PACKET)
            return next;
        if (wsgi_patience_is_over(trip))
            return OVERDUE;
        size = wsgi_socket_receive(
            trip->connection->socket, trip->scratch->received, &fd,
            !trip->is_held, wsgi_group_closing(trip->connection));
        if (size > 0) {
            if (!trip->connection->is_fresh)
                wsgi_crowd_end(trip);
            next = wsgi_obey_packet(trip, (size_t)size, fd);
        } else if (size < 0 && errno == EAGAIN) {
            next = look_at_client(trip);
            if (trip->is_held && next == WSGI_NEXT_PACKET)
                next = wsgi_reply_pause(trip);
        } else if (size < 0 && errno == ECONNRESET && !is_reset) {
            is_reset = 1;
        } else if (size < 0 && errno == EPROTO) {
            trip->broken = "a packet that is too large, or has descriptors";
            next = WSGI_NEXT_BROKEN;
        } else {
            next = is_reset && trip->stage == WSGI_TRIP_SENT ? UNREAD : LOST;
        }
    }
    wsgi_reply_pause(trip);
    return next;
}

/* Sends the request on the trip's connection, with what has been read of its
   body. Never waits: there is no room only if the process has left unread what
   it had asked for in an earlier request. */
static int travel(wsgi_trip *trip)
{
    const wsgi_buffer *packet = &trip->scratch->packet;
    wsgi_chunk parts[] = {{packet->data, packet->size},
                          {trip->scratch->body.data, trip->body_given}};
    int sent;

    sent = wsgi_socket_send(trip->connection->socket, parts, 2, -1, 0);
    if (sent == 0 || errno == EPIPE || errno == ECONNRESET)
        return converse(trip, sent < 0);
    if (errno == EAGAIN)
        return UNREAD;
    trip->broken = strerror(errno);
    return UNSENT;
}

/* ---- The outcome ------------------------------------------------------ */

/* The response can't go on. Returns what wsgi_handle returns. */
static int break_off(const wsgi_trip *trip, int status)
{
    if (trip->stage == WSGI_TRIP_BEGUN)
        trip->host->fail(trip->request->record);
    return trip->stage < WSGI_TRIP_BEGUN ? status : 0;
}

/* Most of the words are the core's, for applications in the server's process.
 */
static void log_gone(const wsgi_trip *trip, int outcome)
{
    const char *when = "the client went away before the response was complete";

    if (outcome == LEFT)
        when = "the client went away while its request waited for a process";
    else if (trip->read_error == WSGI_READ_GONE)
        when = "the client went away while sending the request's body";
    wsgi_log(trip->request, WSGI_INFO, "MW0506: %s", when);
}

/* An answer that may be another one soon. */
static int refuse(const wsgi_trip *trip)
{
    wsgi_retry_later(trip->request, 1);
    return UNAVAILABLE;
}

/* Ends the use of the connection. Returns what wsgi_handle returns. */
static int finish(wsgi_trip *trip, int outcome)
{
    int status = 0;

    if (outcome == WSGI_NEXT_DONE) {
        wsgi_group_keep(trip->connection);
        return trip->status;
    }
    if (outcome == WSGI_NEXT_GONE || outcome == LEFT) {
        log_gone(trip, outcome);
        status = outcome == LEFT ? refuse(trip) : 0;
    } else if (outcome == WSGI_NEXT_REFUSED) {
        status = trip->status;
    } else if (outcome == WSGI_NEXT_BROKEN) {
        wsgi_obey_complain(trip, "MW0606", "broke the protocol: %s",
                           trip->broken);
        status = break_off(trip, BAD_GATEWAY);
    } else if (outcome == LOST) {
        wsgi_obey_complain(trip, "MW0607", "has ended, serving %s",
                           trip->request->uri);
        status = break_off(trip, BAD_GATEWAY);
    } else if (outcome == OVERDUE) {
        wsgi_patience_end(trip, is_unread(trip->connection));
        status = break_off(trip, GATEWAY_TIMEOUT);
    } else {
        wsgi_log(trip->request, WSGI_ERROR,
                 "MW0602: mod_wsgi.process '%s' can't be had: %s",
                 trip->ask.name,
                 outcome == UNSENT ? trip->broken
                                   : "mod_wsgi-spawner does not answer");
        status = refuse(trip);
    }
    wsgi_group_close(trip->connection);
    return status;
}

/* ---- Where ------------------------------------------------------------ */

/* Gives the connection back, since too many requests wait. */
static int refuse_trip(const wsgi_trip *trip)
{
    if (trip->connection->is_fresh)
        wsgi_group_close(trip->connection);
    else
        wsgi_group_keep(trip->connection);
    wsgi_crowd_tell(trip->request, &trip->ask);
    return refuse(trip);
}

/* There is no connection. */
static int fail_trip(const wsgi_trip *trip, const wsgi_crowd *crowd)
{
    if (!crowd->hangs) {
        wsgi_log(trip->request, WSGI_ERROR, "MW0001: out of memory");
        return 500;
    }
    wsgi_log(trip->request, WSGI_ERROR,
             "MW0643: mod_wsgi.process '%s' can't be used: descriptors that "
             "its processes have sent can't be closed",
             trip->ask.name);
    return BAD_GATEWAY;
}

/* Returns 0, or an HTTP status after logging. */
static int connect_trip(wsgi_trip *trip)
{
    wsgi_crowd crowd;
    int status = 0;

    trip->connection = wsgi_group_take(&trip->ask, &crowd);
    if (trip->connection == NULL)
        return fail_trip(trip, &crowd);
    if (wsgi_crowd_is_full(trip->request, &trip->ask, &crowd))
        return refuse_trip(trip);
    wsgi_crowd_begin(trip, &crowd);
    if (trip->connection->is_fresh)
        status =
            wsgi_asking_connect(trip->request, &trip->ask, trip->connection);
    if (status != 0) {
        wsgi_crowd_end(trip);
        wsgi_group_close(trip->connection);
    }
    return status;
}

/* Tries one process after the other, until one has read the request. Those
   that have been idle do not count: all may have ended meanwhile. */
static int try_all(wsgi_trip *trip)
{
    int tries = 0, status, outcome;

    while (tries < MOST_TRIES) {
        status = connect_trip(trip);
        if (status != 0)
            return status;
        tries += trip->connection->is_fresh;
        outcome = travel(trip);
        wsgi_crowd_end(trip);
        if (outcome != UNREAD)
            return finish(trip, outcome);
        wsgi_group_close(trip->connection);
    }
    wsgi_log(trip->request, WSGI_ERROR,
             "MW0604: mod_wsgi.process '%s': %d processes have ended before "
             "they read the request",
             trip->ask.name, MOST_TRIES);
    return refuse(trip);
}

/* The spawner gives processes only the variables that it knows. So the first
   request of this process tells of others, once. */
static void check_environment(const wsgi_request *request)
{
    static int is_checked;

    if (!wsgi_atomic_exchange(&is_checked, 1, WSGI_RELAXED))
        wsgi_settings_tell_misspelt(request);
}

int wsgi_remote_run(const wsgi_request *request, const wsgi_settings *s)
{
    wsgi_trip trip = {.request = request,
                      .host = wsgi_process_given.host,
                      .wants_range = -1,
                      .scratch = wsgi_scratch_take()};
    int status;

    if (trip.scratch == NULL) {
        wsgi_log(request, WSGI_ERROR, "MW0001: out of memory");
        return 500;
    }
    check_environment(request);
    wsgi_decide_tell_host(request, s);
    fill_ask(&trip.ask, request, s);
    status = wsgi_identity_settle(request, &trip.ask);
    if (status == 0)
        status = pack(&trip);
    if (status == 0)
        status = try_all(&trip);
    wsgi_scratch_keep(trip.scratch);
    return status;
}
