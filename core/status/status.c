/*
 * status.c - answers a request for the status page.
 */

#include "status.h"

typedef struct format {
    const char *query, *type;
    void (*write)(wsgi_writer *w, const wsgi_snapshot *s);
} format;

static const format formats[] = {
    {"", "text/html; charset=utf-8", wsgi_html_write},
    {"json", "application/json", wsgi_json_write},
    {"auto", "text/plain; charset=utf-8", wsgi_plain_write},
    {"metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8",
     wsgi_metrics_write},
};

enum { FORMATS = sizeof formats / sizeof *formats };

static int send_text(const wsgi_request *request, const char *status,
                     const char *type, const wsgi_writer *w)
{
    static const wsgi_header headers[] = {
        {"Cache-Control", "no-store"},
        {"X-Content-Type-Options", "nosniff"},
        {"Content-Security-Policy",
         "default-src 'none'; style-src 'unsafe-inline'; "
         "script-src 'unsafe-inline'; frame-ancestors 'none'"},
    };
    const wsgi_host *host = wsgi_process_given.host;
    const wsgi_chunk body = {w->text.data, w->text.size};
    const wsgi_head head = {
        .status = (int)strtol(status, NULL, 10),
        .status_line = status,
        .content_type = type,
        .content_length = (int64_t)w->text.size,
        .headers = headers,
        .header_count = sizeof headers / sizeof *headers,
    };

    if (host->send_head(request->record, &head) == 0)
        host->send_body(request->record, &body, request->head_only ? 0 : 1,
                        WSGI_LAST);
    return 0;
}

static int refuse(const wsgi_request *request)
{
    wsgi_writer w = {.is_short = 0};

    wsgi_writer_add(&w, "The query string may be json, auto or metrics.\n");
    if (!w.is_short)
        send_text(request, "400 Bad Request", "text/plain; charset=utf-8", &w);
    free(w.text.data);
    return w.is_short ? 500 : 0;
}

/* An application may have chosen a locale for the whole process. Numbers have
   their point in each. */
static void write_page(wsgi_writer *w, const format *chosen,
                       const wsgi_snapshot *s)
{
    wsgi_locale locale;

    if (wsgi_locale_make_plain(&locale) < 0) {
        w->is_short = 1;
        return;
    }
    chosen->write(w, s);
    wsgi_locale_restore(&locale);
}

static int answer(const wsgi_request *request, const format *chosen,
                  long long owner)
{
    wsgi_writer w = {.is_short = 0};
    wsgi_snapshot snapshot;
    int status = 503;

    if (wsgi_snapshot_take(&snapshot, owner) < 0) {
        wsgi_log(request, WSGI_ERROR,
                 "MW0801: there is no status: no memory could be had when the "
                 "server started");
    } else {
        write_page(&w, chosen, &snapshot);
        status = w.is_short ? 500 : 0;
        if (status == 0)
            status = send_text(request, "200 OK", chosen->type, &w);
    }
    wsgi_snapshot_free(&snapshot);
    free(w.text.data);
    return status;
}

int wsgi_status_serve(const wsgi_request *request, const char *query)
{
    long long owner;
    int status = wsgi_owner_of(request, &owner), i;

    for (i = 0; status == 0 && i < FORMATS; i++)
        if (strcmp(formats[i].query, query != NULL ? query : "") == 0)
            return answer(request, &formats[i], owner);
    return status != 0 ? status : refuse(request);
}
