/*
 * status.h - the status page: what the server's processes serve.
 *
 * This layer reads the memory of request/tally.h, which an application may
 * have spoilt: snapshot.c makes a clean copy, and all else reads only that. No
 * Python.
 *
 * A function's prefix names its file: wsgi_snapshot_take is in snapshot.c.
 */
#ifndef WSGI_STATUS_H
#define WSGI_STATUS_H

#include "../request/request.h"

/* ---- snapshot.c: a clean copy of what was counted. ---------------------- */

/* An application. Texts are UTF-8 without control characters. */
typedef struct wsgi_status_row {
    unsigned place; /* in the memory */
    wsgi_tally_row figures;
    char user[64];        /* whom it runs as; "": the server's user */
    unsigned long busy;   /* requests under way */
    uint64_t refused;     /* since too many ran (place.c) */
    double p50, p90, p99; /* seconds; below 0: there was no request */
} wsgi_status_row;

/* A process that lives. */
typedef struct wsgi_status_process {
    unsigned long pid;
    int is_child;                /* of the server */
    const wsgi_status_row *row;  /* which it serves; NULL: of a child */
    unsigned long busy;          /* of a child */
    unsigned long long requests; /* of a child */
    unsigned long long memory;   /* bytes; 0: not known */
    double age;                  /* seconds; below 0: not known */
} wsgi_status_process;

typedef struct wsgi_snapshot {
    long long owner; /* whose rows these are; -1: all */
    char owner_name[64];
    int64_t now, began; /* seconds since 1970 */
    unsigned long long starts;
    wsgi_status_row *rows; /* the most used first */
    size_t row_count;
    wsgi_status_process *processes;
    size_t process_count;
    int has_others;       /* the last row is that of all others */
    wsgi_tally_row total; /* only the figures count */
    unsigned long busy;
} wsgi_snapshot;

/* Copies what a user may see; owner -1: all. Returns 0, or -1 when memory is
   out or nothing is counted. In both cases the caller calls
   wsgi_snapshot_free. */
int wsgi_snapshot_take(wsgi_snapshot *to, long long owner);
void wsgi_snapshot_free(wsgi_snapshot *snapshot);

/* The part of a component behind a name: "3.13" for "Python/". Stores "" if it
   has no such part. */
void wsgi_snapshot_version(const char *front, char *to, size_t size);

/* ---- proc.c: what the system says of a process. ------------------------- */

/* Fills in memory and age. Returns the number of its process group, or 0 if
   there is no such process. */
unsigned long wsgi_proc_look(unsigned long pid, unsigned long long *memory,
                             double *age);

/* ---- writer.c: a text that grows. --------------------------------------- */

typedef struct wsgi_writer {
    wsgi_buffer text;
    int is_short; /* of memory */
} wsgi_writer;

/* Appends a text as it is, a formatted one, and one that is escaped for HTML,
   for JSON (with quotes around it), and for a label of OpenMetrics. */
void wsgi_writer_add(wsgi_writer *w, const char *text);
void wsgi_writer_format(wsgi_writer *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void wsgi_writer_html(wsgi_writer *w, const char *text);
void wsgi_writer_json(wsgi_writer *w, const char *text);
void wsgi_writer_label(wsgi_writer *w, const char *text);

/* ---- The formats. ------------------------------------------------------- */

void wsgi_html_write(wsgi_writer *w, const wsgi_snapshot *s);
void wsgi_json_write(wsgi_writer *w, const wsgi_snapshot *s);
void wsgi_plain_write(wsgi_writer *w, const wsgi_snapshot *s);
void wsgi_metrics_write(wsgi_writer *w, const wsgi_snapshot *s);

/* ---- look.c: how the page of HTML looks. -------------------------------- */

/* Pieces of text, the last one NULL. */
extern const char *const wsgi_look_style[];
extern const char *const wsgi_look_script[];

#endif
