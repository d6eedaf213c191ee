/*
 * body.c - the request's body, read as a whole before the application runs.
 *
 * This is for mod_wsgi.buffer_body. The application then knows the body's
 * length and never waits for a slow client. A small body stays in memory. A
 * larger one goes to a file without a name, which vanishes with its descriptor
 * however the process ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "client.h"

#define KEPT 65536  /* what stays in memory; a larger body goes to a file */
#define SPARE 16384 /* Apache 1.3 needs room for the line before a chunk */
#define ROOM (KEPT + SPARE)

const char *wsgi_body_explain(int error)
{
    switch (error) {
    case WSGI_READ_TIMEOUT:
        return "the client stopped sending the request's body";
    case WSGI_READ_TOO_LARGE:
        return "the request's body is larger than the server accepts";
    case WSGI_READ_BAD:
        return "the request's body is not valid HTTP";
    default:
        return "the client went away while sending the request's body";
    }
}

int wsgi_body_status(int error)
{
    switch (error) {
    case WSGI_READ_TIMEOUT:
        return 408;
    case WSGI_READ_TOO_LARGE:
        return 413;
    default:
        return 400;
    }
}

static int spoilt_by_client(const wsgi_request *request, int error)
{
    wsgi_log(request, WSGI_INFO, "MW0506: %s", wsgi_body_explain(error));
    return wsgi_body_status(error);
}

static int no_memory(const wsgi_request *request)
{
    wsgi_log(request, WSGI_ERROR,
             "MW0508: the request's body can't be kept: %s", strerror(ENOMEM));
    return 500;
}

/* Logs, from errno, why the body can't be kept. Returns an HTTP status. */
static int not_kept(const wsgi_request *request)
{
    int is_full = errno == ENOSPC || errno == EDQUOT || errno == EFBIG;

    wsgi_log(
        request, WSGI_ERROR,
        "MW0507: the request's body can't be kept in %s: %s; "
        "mod_wsgi.buffer_body needs a directory with room: set " WSGI_TMPDIR
        " in the server's environment",
        wsgi_settings_of_process()->temporary, strerror(errno));
    return is_full ? 507 : 500;
}

/* Opens a temporary file and removes its name. Returns 0, or -1 with errno. */
static int open_file(wsgi_body *body)
{
    char name[WSGI_WALK_PATH];
    int size = snprintf(name, sizeof name, "%s/mod_wsgi.XXXXXX",
                        wsgi_settings_of_process()->temporary);

    errno = ENAMETOOLONG;
    if (size >= (int)sizeof name || (body->fd = wsgi_fd_temporary(name)) < 0)
        return -1;
    unlink(name);
    return 0;
}

/* Moves what is in memory to the file. Returns 0, or -1 with errno. */
static int spill(wsgi_body *body)
{
    size_t done = 0;

    if (body->fd < 0 && open_file(body) < 0)
        return -1;
    while (done < body->in_memory) {
        ssize_t wrote =
            write(body->fd, body->memory + done, body->in_memory - done);

        if (wrote < 0 && errno != EINTR)
            return -1;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    body->in_memory = 0;
    return 0;
}

/* Reads to the end. Returns 0, or one of enum wsgi_read. If the rest can't be
   kept, sets *is_stuck and errno. */
static int64_t receive(const wsgi_request *request, wsgi_body *body,
                       int *is_stuck)
{
    int64_t got;

    do {
        if (body->in_memory > KEPT && spill(body) < 0) {
            *is_stuck = 1;
            return -1;
        }
        got = wsgi_client_read(request, body->memory + body->in_memory,
                               ROOM - body->in_memory);
        if (got > 0) {
            body->in_memory += (size_t)got;
            body->size += got;
        }
    } while (got > 0);
    return got;
}

int wsgi_body_keep(const wsgi_request *request, wsgi_body *body)
{
    int64_t got;
    int is_stuck = 0;

    memset(body, 0, sizeof *body);
    body->fd = -1;
    body->memory = malloc(ROOM);
    if (body->memory == NULL)
        return no_memory(request);
    got = receive(request, body, &is_stuck);
    if (is_stuck)
        return not_kept(request);
    if (got < 0)
        return spoilt_by_client(request, (int)got);
    return body->fd >= 0 && spill(body) < 0 ? not_kept(request) : 0;
}

int64_t wsgi_body_read(wsgi_body *body, char *to, size_t size)
{
    int64_t left = body->size - body->at;
    ssize_t got;

    if ((int64_t)size > left)
        size = (size_t)left;
    if (body->fd < 0) {
        memcpy(to, body->memory + body->at, size);
        got = (ssize_t)size;
    } else {
        do
            got = pread(body->fd, to, size, (off_t)body->at);
        while (got < 0 && errno == EINTR);
    }
    if (got > 0)
        body->at += got;
    return got;
}

void wsgi_body_free(wsgi_body *body)
{
    free(body->memory);
    if (body->fd >= 0)
        close(body->fd);
}
