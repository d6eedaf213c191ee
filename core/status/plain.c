/*
 * plain.c - the status page in lines of "Key: value", as mod_status has them.
 */
#include "status.h"

static void write_row(wsgi_writer *w, size_t number,
                      const wsgi_status_row *row)
{
    const wsgi_tally_row *f = &row->figures;

    wsgi_writer_format(w, "Application%zu: ", number);
    wsgi_writer_add(w, f->names.application);
    wsgi_writer_format(w, "\nApplication%zuInterpreter: ", number);
    wsgi_writer_add(w, f->names.interpreter);
    wsgi_writer_format(w,
                       "\nApplication%zuRequests: %llu\n"
                       "Application%zuErrors: %llu\n"
                       "Application%zuInFlight: %lu\n",
                       number, (unsigned long long)f->requests, number,
                       (unsigned long long)f->errors, number, row->busy);
    if (row->p50 >= 0)
        wsgi_writer_format(w,
                           "Application%zuP50: %.6f\nApplication%zuP90: "
                           "%.6f\nApplication%zuP99: %.6f\n",
                           number, row->p50, number, row->p90, number,
                           row->p99);
}

void wsgi_plain_write(wsgi_writer *w, const wsgi_snapshot *s)
{
    size_t i;

    wsgi_writer_add(w, "ModWsgiVersion: ");
    wsgi_writer_add(w, wsgi_tally_component());
    wsgi_writer_format(w,
                       "\nUptime: %lld\nTotalRequests: %llu\n"
                       "TotalErrors: %llu\nTotalBytes: %llu\n"
                       "InFlight: %lu\nApplications: %zu\nProcesses: %zu\n",
                       (long long)(s->now - s->began),
                       (unsigned long long)s->total.requests,
                       (unsigned long long)s->total.errors,
                       (unsigned long long)s->total.bytes, s->busy,
                       s->row_count, s->process_count);
    for (i = 0; i < s->row_count; i++)
        write_row(w, i + 1, &s->rows[i]);
}
