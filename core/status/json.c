/*
 * json.c - the status page for programs.
 */
#include "status.h"

static void write_time(wsgi_writer *w, const char *name, double seconds)
{
    if (seconds < 0)
        wsgi_writer_format(w, "\"%s\":null,", name);
    else
        wsgi_writer_format(w, "\"%s\":%.6f,", name, seconds);
}

static void write_text(wsgi_writer *w, const char *name, const char *text)
{
    wsgi_writer_format(w, "\"%s\":", name);
    if (text[0] != '\0')
        wsgi_writer_json(w, text);
    else
        wsgi_writer_add(w, "null");
    wsgi_writer_add(w, ",");
}

static void write_figures(wsgi_writer *w, const wsgi_tally_row *f,
                          unsigned long busy)
{
    wsgi_writer_format(
        w,
        "\"requests\":%llu,\"in_flight\":%lu,\"errors\":%llu,"
        "\"bytes\":%llu,\"seconds\":%.6f",
        (unsigned long long)f->requests, busy, (unsigned long long)f->errors,
        (unsigned long long)f->bytes, (double)f->microseconds / 1e6);
}

static void write_row(wsgi_writer *w, const wsgi_status_row *row)
{
    const wsgi_tally_row *f = &row->figures;

    wsgi_writer_format(w, "{\"id\":\"%016llx\",", (unsigned long long)f->key);
    write_text(w, "application", f->names.application);
    write_text(w, "interpreter", f->names.interpreter);
    write_text(w, "process", f->names.process);
    write_text(w, "user", row->user);
    write_text(w, "python", f->names.python);
    write_time(w, "p50", row->p50);
    write_time(w, "p90", row->p90);
    write_time(w, "p99", row->p99);
    write_time(w, "load", f->load_ms > 0 ? f->load_ms / 1e3 : -1);
    wsgi_writer_format(w, "\"first\":%lld,\"last\":%lld,", (long long)f->first,
                       (long long)f->last);
    write_text(w, "last_error", f->error);
    wsgi_writer_format(w, "\"last_error_at\":%lld,", (long long)f->error_at);
    wsgi_writer_format(w, "\"refused\":%llu,",
                       (unsigned long long)row->refused);
    write_figures(w, f, row->busy);
    wsgi_writer_add(w, "}");
}

static void write_process(wsgi_writer *w, const wsgi_status_process *p)
{
    wsgi_writer_format(w, "{\"pid\":%lu,\"kind\":\"%s\",", p->pid,
                       p->is_child ? "server" : "application");
    write_text(w, "process",
               p->row != NULL ? p->row->figures.names.process : "");
    write_text(w, "user", p->row != NULL ? p->row->user : "");
    write_time(w, "age", p->age);
    if (p->is_child)
        wsgi_writer_format(w, "\"in_flight\":%lu,\"requests\":%llu,", p->busy,
                           p->requests);
    wsgi_writer_format(w, "\"memory\":%llu}", p->memory);
}

void wsgi_json_write(wsgi_writer *w, const wsgi_snapshot *s)
{
    size_t i;

    wsgi_writer_add(w, "{");
    write_text(w, "component", wsgi_tally_component());
    write_text(w, "only_of", s->owner >= 0 ? s->owner_name : "");
    wsgi_writer_format(w, "\"now\":%lld,\"began\":%lld,", (long long)s->now,
                       (long long)s->began);
    write_figures(w, &s->total, s->busy);
    wsgi_writer_add(w, ",\"applications\":[");
    for (i = 0; i < s->row_count; i++) {
        wsgi_writer_add(w, i > 0 ? ",\n" : "\n");
        write_row(w, &s->rows[i]);
    }
    wsgi_writer_add(w, "],\"processes\":[");
    for (i = 0; i < s->process_count; i++) {
        wsgi_writer_add(w, i > 0 ? ",\n" : "\n");
        write_process(w, &s->processes[i]);
    }
    wsgi_writer_add(w, "]}\n");
}
