/*
 * html.c - the status page for people: one page, without other files.
 *
 * Each cell of a table has its name for narrow screens (data-n), and the value
 * to sort by (data-v). Without scripts the page is complete, but not sortable.
 */
#include "status.h"

/* ---- Figures in words --------------------------------------------------- */

static void show_time(char *to, size_t size, double seconds)
{
    if (seconds < 0)
        snprintf(to, size, "–");
    else if (seconds < 0.01)
        snprintf(to, size, "%.2f ms", seconds * 1e3);
    else if (seconds < 1)
        snprintf(to, size, "%.0f ms", seconds * 1e3);
    else if (seconds < 120)
        snprintf(to, size, "%.1f s", seconds);
    else if (seconds < 7200)
        snprintf(to, size, "%.0f min", seconds / 60);
    else if (seconds < 172800)
        snprintf(to, size, "%.0f h", seconds / 3600);
    else
        snprintf(to, size, "%.0f d", seconds / 86400);
}

/* For what is seldom shorter than a second. */
static void show_age(char *to, size_t size, double seconds)
{
    if (seconds >= 0 && seconds < 120)
        snprintf(to, size, "%.0f s", seconds);
    else
        show_time(to, size, seconds);
}

static void show_size(char *to, size_t size, double bytes)
{
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t i = 0;

    while (bytes >= 1024 && i < sizeof units / sizeof *units - 1) {
        bytes /= 1024;
        i++;
    }
    snprintf(to, size, i == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes,
             units[i]);
}

/* A number with spaces between the thousands. */
static void show_number(char *to, size_t size, unsigned long long number)
{
    char digits[32];
    size_t length = (size_t)snprintf(digits, sizeof digits, "%llu", number);
    size_t i, n = 0;

    for (i = 0; i < length && n + 4 < size; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            memcpy(to + n, "\xc2\xa0", 2);
            n += 2;
        }
        to[n++] = digits[i];
    }
    to[n] = '\0';
}

/* ---- Pieces ------------------------------------------------------------- */

static void write_all(wsgi_writer *w, const char *const *pieces)
{
    for (; *pieces != NULL; pieces++)
        wsgi_writer_add(w, *pieces);
}

static void write_cell(wsgi_writer *w, const char *name, double value,
                       const char *text)
{
    wsgi_writer_format(w, "<td class=n data-n=\"%s\" data-v=\"%.6f\">%s</td>",
                       name, value, text);
}

static void write_count(wsgi_writer *w, const char *name,
                        unsigned long long number)
{
    char text[64];

    show_number(text, sizeof text, number);
    write_cell(w, name, (double)number, text);
}

static void write_duration(wsgi_writer *w, const char *name, double seconds)
{
    char text[64];

    show_time(text, sizeof text, seconds);
    write_cell(w, name, seconds, text);
}

static void write_size(wsgi_writer *w, const char *name, double bytes)
{
    char text[64];

    show_size(text, sizeof text, bytes);
    write_cell(w, name, bytes, text);
}

static void write_tile(wsgi_writer *w, const char *name, const char *text)
{
    wsgi_writer_format(w, "<div><b>%s</b><span>%s</span></div>", text, name);
}

static void write_number_tile(wsgi_writer *w, const char *name,
                              unsigned long long number)
{
    char text[64];

    show_number(text, sizeof text, number);
    write_tile(w, name, text);
}

/* Writes the head of a table. Names that begin with '=' are of texts. */
static void write_heads(wsgi_writer *w, const char *const *names)
{
    wsgi_writer_add(w, "<div class=wide><table><thead><tr>");
    for (; *names != NULL; names++)
        wsgi_writer_format(w, "<th scope=col%s>%s</th>",
                           **names == '=' ? "" : " class=n",
                           *names + (**names == '='));
    wsgi_writer_add(w, "</tr></thead><tbody>");
}

/* ---- Applications ------------------------------------------------------- */

static void write_place(wsgi_writer *w, const wsgi_status_row *row)
{
    const wsgi_tally_names *names = &row->figures.names;

    if (row->place == WSGI_TALLY_ROWS) {
        wsgi_writer_add(w, "there is no room for more rows");
        return;
    }
    wsgi_writer_add(w, "interpreter ");
    wsgi_writer_html(w, names->interpreter);
    if (names->process[0] == '\0') {
        wsgi_writer_add(w, ", in the server");
        return;
    }
    if (strcmp(names->process, names->interpreter) == 0) {
        wsgi_writer_add(w, ", process of that name");
    } else {
        wsgi_writer_add(w, ", process ");
        wsgi_writer_html(w, names->process);
    }
    if (row->user[0] != '\0') {
        wsgi_writer_add(w, " of ");
        wsgi_writer_html(w, row->user);
    }
}

static void write_error(wsgi_writer *w, const wsgi_snapshot *s,
                        const wsgi_tally_row *f)
{
    char text[64];

    if (f->error[0] == '\0')
        return;
    show_age(text, sizeof text, (double)(s->now - f->error_at));
    wsgi_writer_format(w, "<p class=bad>%s ago: ", text);
    wsgi_writer_html(w, f->error);
    wsgi_writer_add(w, "</p>");
}

static void write_row(wsgi_writer *w, const wsgi_snapshot *s,
                      const wsgi_status_row *row)
{
    const wsgi_tally_row *f = &row->figures;
    char text[64];

    wsgi_writer_add(w, "<tr><th scope=row><code>");
    wsgi_writer_html(w, f->names.application);
    wsgi_writer_add(w, "</code><p>");
    write_place(w, row);
    wsgi_writer_add(w, "</p>");
    write_error(w, s, f);
    wsgi_writer_add(w, "</th><td data-n=Python>");
    wsgi_writer_html(w, f->names.python);
    wsgi_writer_add(w, "</td>");
    write_count(w, "Requests", f->requests);
    write_count(w, "In flight", row->busy);
    write_count(w, "Errors", f->errors);
    write_duration(w, "p50", row->p50);
    write_duration(w, "p90", row->p90);
    write_duration(w, "p99", row->p99);
    write_size(w, "Sent", (double)f->bytes);
    write_duration(w, "Load", f->load_ms > 0 ? f->load_ms / 1e3 : -1);
    show_age(text, sizeof text, f->last > 0 ? (double)(s->now - f->last) : -1);
    if (f->last > 0)
        snprintf(text + strlen(text), sizeof text - strlen(text), " ago");
    write_cell(w, "Last request", (double)(s->now - f->last), text);
    wsgi_writer_add(w, "</tr>\n");
}

static void write_rows(wsgi_writer *w, const wsgi_snapshot *s)
{
    static const char *const names[] = {
        "=Application", "=Python", "Requests", "In flight", "Errors", "p50",
        "p90",          "p99",     "Sent",     "Load",      "Last",   NULL};
    size_t i;

    wsgi_writer_add(w, "<h2>Applications</h2>");
    if (s->row_count == 0) {
        wsgi_writer_add(w, "<p>No application has been asked for yet.</p>");
        return;
    }
    write_heads(w, names);
    for (i = 0; i < s->row_count; i++)
        write_row(w, s, &s->rows[i]);
    wsgi_writer_add(w, "</tbody></table></div>\n");
}

/* ---- Processes ---------------------------------------------------------- */

static void write_process(wsgi_writer *w, const wsgi_status_process *p)
{
    char text[64];

    wsgi_writer_add(w, "<tr><th scope=row>");
    if (p->is_child) {
        wsgi_writer_add(w, "the server");
    } else {
        wsgi_writer_add(w, "<code>");
        wsgi_writer_html(w, p->row->figures.names.process);
        wsgi_writer_add(w, "</code>");
        wsgi_writer_add(w, p->row->user[0] != '\0' ? " of " : "");
        wsgi_writer_html(w, p->row->user);
    }
    wsgi_writer_format(w, "</th><td class=n data-n=Number data-v=%lu>%lu</td>",
                       p->pid, p->pid);
    write_size(w, "Memory", (double)p->memory);
    show_age(text, sizeof text, p->age);
    write_cell(w, "Age", p->age, text);
    if (p->is_child) {
        write_count(w, "Requests", p->requests);
        write_count(w, "In flight", p->busy);
    } else {
        write_cell(w, "Requests", -1, "–");
        write_cell(w, "In flight", -1, "–");
    }
    wsgi_writer_add(w, "</tr>\n");
}

static void write_processes(wsgi_writer *w, const wsgi_snapshot *s)
{
    static const char *const names[] = {
        "=Process", "Number", "Memory", "Age", "Requests", "In flight", NULL};
    size_t i;

    if (s->process_count == 0)
        return;
    wsgi_writer_add(w, "<h2>Processes</h2>");
    write_heads(w, names);
    for (i = 0; i < s->process_count; i++)
        write_process(w, &s->processes[i]);
    wsgi_writer_add(w, "</tbody></table></div>\n");
}

/* ---- The page ----------------------------------------------------------- */

static void write_top(wsgi_writer *w, const wsgi_snapshot *s)
{
    char text[64];

    wsgi_writer_add(w, "<header><h1>mod_wsgi</h1><p>");
    wsgi_writer_html(w, wsgi_tally_component());
    if (s->owner >= 0) {
        wsgi_writer_add(w, ", only what belongs to ");
        wsgi_writer_html(w, s->owner_name);
    }
    wsgi_writer_add(w, "</p></header><section>");
    write_number_tile(w, "requests", s->total.requests);
    write_number_tile(w, "in flight", s->busy);
    write_number_tile(w, "errors", s->total.errors);
    show_size(text, sizeof text, (double)s->total.bytes);
    write_tile(w, "sent", text);
    show_age(text, sizeof text, (double)(s->now - s->began));
    write_tile(w, "since the start", text);
    wsgi_writer_add(w, "</section>\n");
}

void wsgi_html_write(wsgi_writer *w, const wsgi_snapshot *s)
{
    wsgi_writer_add(w,
                    "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
                    "<meta name=viewport content=\"width=device-width\">"
                    "<meta name=robots content=noindex>"
                    "<title>mod_wsgi: status</title><style>");
    write_all(w, wsgi_look_style);
    wsgi_writer_add(w, "</style></head>\n<body>");
    write_top(w, s);
    write_rows(w, s);
    write_processes(w, s);
    wsgi_writer_add(
        w, "<footer><a href=\"?json\">JSON</a> <a href=\"?metrics\">"
           "OpenMetrics</a> <a href=\"?auto\">text</a></footer>\n<script>");
    write_all(w, wsgi_look_script);
    wsgi_writer_add(w, "</script></body></html>\n");
}
