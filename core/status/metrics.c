/*
 * metrics.c - the status page for Prometheus: OpenMetrics.
 *
 * All samples of a metric stand together, so each is written for all
 * applications in turn. The label id tells applications of the same names
 * apart.
 */
#include "status.h"

/* Bounds of the histogram: powers of two, in microseconds, from 128. */
#define FIRST_POWER 7
#define LAST_POWER 26

static void begin(wsgi_writer *w, const char *name, const char *type,
                  const char *help)
{
    wsgi_writer_format(w,
                       "# TYPE mod_wsgi_%s %s\n"
                       "# HELP mod_wsgi_%s %s\n",
                       name, type, name, help);
}

static void write_label(wsgi_writer *w, const char *name, const char *value)
{
    wsgi_writer_format(w, "%s=\"", name);
    wsgi_writer_label(w, value);
    wsgi_writer_add(w, "\",");
}

/* Begins a sample. more is one more label, with a comma before it, or "". */
static void write_sample(wsgi_writer *w, const char *name,
                         const wsgi_status_row *row, const char *more)
{
    const wsgi_tally_names *names = &row->figures.names;

    wsgi_writer_format(w, "mod_wsgi_%s{", name);
    write_label(w, "application", names->application);
    write_label(w, "interpreter", names->interpreter);
    write_label(w, "process", names->process);
    write_label(w, "user", row->user);
    write_label(w, "python", names->python);
    wsgi_writer_format(w, "id=\"%016llx\"%s} ",
                       (unsigned long long)row->figures.key, more);
}

typedef double figure(const wsgi_status_row *row);

static double requests(const wsgi_status_row *row)
{
    return (double)row->figures.requests;
}

static double refused(const wsgi_status_row *row)
{
    return (double)row->refused;
}

static double errors(const wsgi_status_row *row)
{
    return (double)row->figures.errors;
}

static double bytes(const wsgi_status_row *row)
{
    return (double)row->figures.bytes;
}

static double busy(const wsgi_status_row *row)
{
    return (double)row->busy;
}

static double last(const wsgi_status_row *row)
{
    return (double)row->figures.last;
}

static double load(const wsgi_status_row *row)
{
    return row->figures.load_ms / 1e3;
}

static void write_metric(wsgi_writer *w, const wsgi_snapshot *s,
                         const char *name, const char *type, const char *help,
                         figure *get)
{
    char sample[64];
    size_t i;

    begin(w, name, type, help);
    snprintf(sample, sizeof sample, "%s%s", name,
             strcmp(type, "counter") == 0 ? "_total" : "");
    for (i = 0; i < s->row_count; i++) {
        write_sample(w, sample, &s->rows[i], "");
        wsgi_writer_format(w, "%.17g\n", get(&s->rows[i]));
    }
}

static void write_times(wsgi_writer *w, const wsgi_status_row *row)
{
    static const char name[] = "request_duration_seconds_bucket";
    unsigned long long sum = 0;
    unsigned power, at = 0;
    char more[64];

    for (power = FIRST_POWER; power <= LAST_POWER; power++) {
        while (at < wsgi_tally_bucket(1ULL << power))
            sum += row->figures.times[at++];
        snprintf(more, sizeof more, ",le=\"%.6f\"",
                 (double)(1ULL << power) / 1e6);
        write_sample(w, name, row, more);
        wsgi_writer_format(w, "%llu\n", sum);
    }
    while (at < WSGI_TALLY_BUCKETS)
        sum += row->figures.times[at++];
    write_sample(w, name, row, ",le=\"+Inf\"");
    wsgi_writer_format(w, "%llu\n", sum);
    write_sample(w, "request_duration_seconds_count", row, "");
    wsgi_writer_format(w, "%llu\n", sum);
    write_sample(w, "request_duration_seconds_sum", row, "");
    wsgi_writer_format(w, "%.6f\n", (double)row->figures.microseconds / 1e6);
}

static void write_histogram(wsgi_writer *w, const wsgi_snapshot *s)
{
    size_t i;

    begin(w, "request_duration_seconds", "histogram",
          "How long requests took.");
    for (i = 0; i < s->row_count; i++)
        write_times(w, &s->rows[i]);
}

static void write_process(wsgi_writer *w, const char *name,
                          const wsgi_status_process *p)
{
    wsgi_writer_format(w, "mod_wsgi_%s{pid=\"%lu\",kind=\"%s\",", name, p->pid,
                       p->is_child ? "server" : "application");
    write_label(w, "process",
                p->row != NULL ? p->row->figures.names.process : "");
    wsgi_writer_add(w, "user=\"");
    wsgi_writer_label(w, p->row != NULL ? p->row->user : "");
    wsgi_writer_add(w, "\"} ");
}

static void write_processes(wsgi_writer *w, const wsgi_snapshot *s)
{
    size_t i;

    begin(w, "process_resident_bytes", "gauge", "Memory of a process.");
    for (i = 0; i < s->process_count; i++) {
        write_process(w, "process_resident_bytes", &s->processes[i]);
        wsgi_writer_format(w, "%llu\n", s->processes[i].memory);
    }
    begin(w, "process_age_seconds", "gauge", "Age of a process.");
    for (i = 0; i < s->process_count; i++)
        if (s->processes[i].age >= 0) {
            write_process(w, "process_age_seconds", &s->processes[i]);
            wsgi_writer_format(w, "%.3f\n", s->processes[i].age);
        }
}

void wsgi_metrics_write(wsgi_writer *w, const wsgi_snapshot *s)
{
    begin(w, "uptime_seconds", "gauge", "Since the server was started.");
    wsgi_writer_format(w, "mod_wsgi_uptime_seconds %lld\n",
                       (long long)(s->now - s->began));
    write_metric(w, s, "requests", "counter", "Requests served.", requests);
    write_metric(w, s, "errors", "counter",
                 "Responses of 500 and above, and broken ones.", errors);
    write_metric(w, s, "refused", "counter",
                 "Requests that were refused because too many ran.", refused);
    write_metric(w, s, "sent_bytes", "counter", "Bytes of bodies sent.",
                 bytes);
    write_metric(w, s, "in_flight", "gauge", "Requests under way.", busy);
    write_metric(w, s, "last_request_timestamp_seconds", "gauge",
                 "When the last request ended.", last);
    write_metric(w, s, "load_seconds", "gauge",
                 "How long the application took to load; 0: not known.", load);
    write_histogram(w, s);
    write_processes(w, s);
    wsgi_writer_add(w, "# EOF\n");
}
