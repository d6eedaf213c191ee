/*
 * flood.c - how much an application may write to the log.
 *
 * One without a bound could fill the disk. What it may write grows with the
 * time, up to what it may write at once. That is counted as the time until
 * which it has used it: a byte is a microsecond or less.
 */
#include "request.h"

#define BYTES_IN_A_MICROSECOND 2 /* 2 MB in a second */
#define LINE_COST 100            /* bytes that a line counts beyond its own */
#define SAVED 10000000ULL        /* microseconds: 20 MB at once */

/* Once lines are left out, some are together: microseconds. */
#define PAUSE 1000000

/* Of threads that serve no request of an application. */
static wsgi_tally_flood others;

static wsgi_tally_flood *flood_of(const wsgi_request *request,
                                  enum wsgi_level level)
{
    wsgi_tally_row *row = wsgi_tally_row_of(request);

    if (row == NULL)
        return &others;
    return &row->floods[level == WSGI_INFO || level == WSGI_DEBUG];
}

/* Whether a line may be written now. */
static int may_write(wsgi_tally_flood *flood, size_t size)
{
    uint64_t now = wsgi_tally_now(), until, used, next;
    uint64_t most = now + SAVED;

    if (wsgi_atomic_load(&flood->left_out, WSGI_RELAXED) > 0)
        most -= PAUSE;
    until = wsgi_atomic_load(&flood->until, WSGI_RELAXED);
    do {
        used = until <= now + 2 * SAVED ? until : now; /* nobody writes more */
        if (used > most)
            return 0;
        next = (used > now ? used : now) +
               (size + LINE_COST) / BYTES_IN_A_MICROSECOND;
    } while (!wsgi_atomic_swap(&flood->until, &until, next, WSGI_RELAXED,
                               WSGI_RELAXED));
    return 1;
}

static const char *url_of(const wsgi_request *request)
{
    return request != NULL ? request->uri : "no request";
}

static void tell_begin(const wsgi_request *request)
{
    wsgi_log(request, WSGI_WARNING,
             "MW0641: the application writes too many lines, serving %s: they "
             "are left out from here on",
             url_of(request));
}

static void tell_left_out(const wsgi_request *request, uint32_t count)
{
    wsgi_log(request, WSGI_WARNING,
             "MW0642: %u lines of the application were left out, before this "
             "one, serving %s: more than %d MB in a second",
             count, url_of(request), BYTES_IN_A_MICROSECOND);
}

/* Writes what fits into one line of the log, or leaves it out. */
static void write_part(wsgi_tally_flood *flood, const wsgi_request *request,
                       enum wsgi_level level, const char *text, size_t size)
{
    uint32_t left_out;

    if (!may_write(flood, size)) {
        if (wsgi_atomic_fetch_add(&flood->left_out, 1U, WSGI_RELAXED) == 0)
            tell_begin(request);
        return;
    }
    left_out = wsgi_atomic_load(&flood->left_out, WSGI_RELAXED);
    if (left_out > 0)
        left_out = wsgi_atomic_exchange(&flood->left_out, 0U, WSGI_RELAXED);
    if (left_out > 0)
        tell_left_out(request, left_out);
    wsgi_log_line(request, level, text, size);
}

void wsgi_flood_line(const wsgi_request *request, enum wsgi_level level,
                     const char *text, size_t size)
{
    wsgi_tally_flood *flood;
    size_t part;

    if (wsgi_tally_memory() == NULL) {
        wsgi_log_line(request, level, text, size);
        return;
    }
    flood = flood_of(request, level);
    do {
        part = wsgi_log_fit(text, size);
        write_part(flood, request, level, text, part);
        text += part;
        size -= part;
    } while (size > 0);
}
