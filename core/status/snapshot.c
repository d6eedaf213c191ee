/*
 * snapshot.c - a clean copy of what was counted.
 *
 * An application that runs in a child of the server can write anything into
 * that memory. So each row is copied once. Then its texts are ended and
 * cleaned, and nothing is used as an index before it was checked.
 */
#include <ctype.h>
#include <unistd.h>

#include "status.h"

#define MOST (1ULL << 50)

/* ---- Texts -------------------------------------------------------------- */

/* How many bytes a character of UTF-8 has, or 0 if it is none. */
static size_t character(const unsigned char *c)
{
    size_t size = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4, i;

    if (size == 1)
        return c[0] >= ' ' && c[0] != 0x7f;
    if (c[0] < 0xc2 || c[0] > 0xf4 || (c[0] == 0xe0 && c[1] < 0xa0) ||
        (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf0 && c[1] < 0x90) ||
        (c[0] == 0xf4 && c[1] > 0x8f) || (c[0] == 0xc2 && c[1] < 0xa0))
        return 0;
    for (i = 1; i < size; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* Ends a text, and replaces what is not printable. */
static void clean(char *text, size_t size)
{
    unsigned char *c = (unsigned char *)text;
    size_t length;

    text[size - 1] = '\0';
    while (*c != '\0') {
        length = character(c);
        if (length == 0)
            *c = '?';
        c += length > 0 ? length : 1;
    }
}

void wsgi_snapshot_version(const char *front, char *to, size_t size)
{
    const char *found = strstr(wsgi_tally_component(), front);

    if (found != NULL)
        found += strlen(front);
    snprintf(to, size, "%.*s", found != NULL ? (int)strcspn(found, " ") : 0,
             found != NULL ? found : "");
}

/* ---- Users -------------------------------------------------------------- */

static void name_user(long long number, char *name, size_t size)
{
    wsgi_owner_name(number, name, size);
    clean(name, size);
}

static void find_user(wsgi_status_row *row, const wsgi_snapshot *s)
{
    const wsgi_tally_names *names = &row->figures.names;

    if (names->process[0] == '\0')
        row->user[0] = '\0';
    else if (names->owner > 0 && names->owner == s->owner)
        snprintf(row->user, sizeof row->user, "%s", s->owner_name);
    else if (names->owner > 0)
        name_user((long long)names->owner, row->user, sizeof row->user);
    else
        snprintf(row->user, sizeof row->user, "%s", names->user);
}

/* ---- Figures ------------------------------------------------------------ */

/* The time that this part of the requests did not exceed, in seconds. */
static double quantile(const wsgi_tally_row *row, double part)
{
    double all = 0, seen = 0, wanted;
    unsigned i;

    for (i = 0; i < WSGI_TALLY_BUCKETS; i++)
        all += (double)row->times[i];
    wanted = all * part;
    for (i = 0; i < WSGI_TALLY_BUCKETS && all > 0; i++) {
        double here = (double)row->times[i];

        if (here > 0 && seen + here >= wanted) {
            double from = (double)wsgi_tally_bound(i);
            double to = (double)wsgi_tally_bound(i + 1);

            return (from + (to - from) * (wanted - seen) / here) / 1e6;
        }
        seen += here;
    }
    return -1;
}

static void add_up(wsgi_snapshot *s, const wsgi_status_row *row)
{
    const wsgi_tally_row *from = &row->figures;
    unsigned i;

    s->total.requests += from->requests;
    s->total.errors += from->errors;
    s->total.bytes += from->bytes;
    s->total.microseconds += from->microseconds;
    for (i = 0; i < WSGI_TALLY_BUCKETS; i++)
        s->total.times[i] += from->times[i];
    s->busy += row->busy;
}

/* Keeps numbers so small that their sums are right. */
static void limit(uint64_t *numbers)
{
    unsigned i;

    for (i = 0; i < WSGI_TALLY_BUCKETS; i++)
        if (numbers[i] > MOST)
            numbers[i] = MOST;
}

static uint64_t refused_in(unsigned number)
{
    uint64_t refused = wsgi_tally_memory()->places[number].refused.all;

    return refused < MOST ? refused : MOST;
}

/* Behind the places of the rows are those of all others, then those of
   customers. */
static uint64_t find_refused(unsigned place)
{
    uint64_t sum = 0;
    unsigned i;

    if (place < WSGI_TALLY_ROWS)
        return refused_in(place);
    for (i = WSGI_TALLY_ROWS; i < WSGI_TALLY_OF_OWNERS; i++)
        sum += refused_in(i);
    return sum;
}

/* Copies one row. Whether it is to be shown. */
static int take_row(wsgi_snapshot *s, unsigned place, wsgi_status_row *to)
{
    const wsgi_tally_row *row = &wsgi_tally_memory()->rows[place];
    wsgi_tally_names *names = &to->figures.names;
    int is_others = place == WSGI_TALLY_ROWS;

    if (is_others ? s->owner >= 0 || row->requests == 0
                  : wsgi_atomic_load(&row->is_ready, WSGI_ACQUIRE) == 0)
        return 0;
    memset(to, 0, sizeof *to);
    to->place = place;
    to->figures = *row;
    limit(to->figures.times);
    if (is_others)
        *names =
            (wsgi_tally_names){.application = "(all others)", .owner = -1};
    if (s->owner >= 0 && names->owner != s->owner)
        return 0;
    clean(names->application, sizeof names->application);
    clean(names->interpreter, sizeof names->interpreter);
    clean(names->process, sizeof names->process);
    clean(names->user, sizeof names->user);
    clean(names->python, sizeof names->python);
    clean(to->figures.error, sizeof to->figures.error);
    if (names->python[0] == '\0')
        wsgi_snapshot_version("Python/", names->python, sizeof names->python);
    find_user(to, s);
    to->refused = find_refused(place);
    to->p50 = quantile(&to->figures, 0.5);
    to->p90 = quantile(&to->figures, 0.9);
    to->p99 = quantile(&to->figures, 0.99);
    return 1;
}

/* ---- Processes ---------------------------------------------------------- */

static wsgi_status_row *row_at(wsgi_snapshot *s, unsigned place)
{
    size_t i;

    for (i = 0; i < s->row_count; i++)
        if (s->rows[i].place == place)
            return &s->rows[i];
    return NULL;
}

/* The other children of the server are in this process's group. */
static void take_child(wsgi_snapshot *s, const wsgi_tally_child *child)
{
    wsgi_status_process p = {.is_child = 1};
    size_t i;

    p.pid = wsgi_atomic_load(&child->pid, WSGI_ACQUIRE);
    if (p.pid == 0 ||
        wsgi_proc_look(p.pid, &p.memory, &p.age) != (unsigned long)getpgrp())
        return;
    p.requests = child->requests;
    for (i = 0; i < s->row_count; i++) {
        unsigned long busy = child->busy[s->rows[i].place];

        s->rows[i].busy += busy;
        p.busy += busy;
    }
    if (s->owner < 0)
        s->processes[s->process_count++] = p;
}

/* A process that began after this one was noted has got its number since. */
static int is_another(const wsgi_status_process *p, int64_t noted)
{
    return (double)wsgi_seconds() - (double)noted > p->age + 1;
}

static void take_process(wsgi_snapshot *s, const wsgi_tally_process *process)
{
    wsgi_status_process p = {.is_child = 0};

    p.pid = wsgi_atomic_load(&process->pid, WSGI_RELAXED);
    if (p.pid == 0)
        return;
    p.row = row_at(s, process->row);
    if (p.row == NULL || p.row->figures.names.process[0] == '\0' ||
        wsgi_proc_look(p.pid, &p.memory, &p.age) == 0 ||
        is_another(&p, process->noted))
        return;
    s->processes[s->process_count++] = p;
}

/* ---- All ---------------------------------------------------------------- */

static int by_requests(const void *a, const void *b)
{
    const wsgi_status_row *one = a, *other = b;
    int others = (one->place == WSGI_TALLY_ROWS) -
                 (other->place == WSGI_TALLY_ROWS);

    return others != 0 ? others
                       : (one->figures.requests < other->figures.requests) -
                             (one->figures.requests > other->figures.requests);
}

static int make_room(wsgi_snapshot *s)
{
    s->rows = malloc((WSGI_TALLY_ROWS + 1) * sizeof *s->rows);
    s->processes = malloc((WSGI_TALLY_CHILDREN + WSGI_TALLY_PROCESSES) *
                          sizeof *s->processes);
    return s->rows != NULL && s->processes != NULL ? 0 : -1;
}

int wsgi_snapshot_take(wsgi_snapshot *s, long long owner)
{
    const wsgi_tally *memory = wsgi_tally_memory();
    unsigned i;

    memset(s, 0, sizeof *s);
    if (memory == NULL || make_room(s) < 0)
        return -1;
    s->owner = owner;
    if (owner >= 0)
        name_user(owner, s->owner_name, sizeof s->owner_name);
    s->now = (int64_t)time(NULL);
    s->began = memory->began;
    s->starts = memory->starts;
    for (i = 0; i <= WSGI_TALLY_ROWS; i++)
        s->row_count += (size_t)take_row(s, i, &s->rows[s->row_count]);
    qsort(s->rows, s->row_count, sizeof *s->rows, by_requests);
    for (i = 0; i < wsgi_sibling_count(memory); i++)
        take_child(s, &memory->children[i]);
    for (i = 0; i < WSGI_TALLY_PROCESSES; i++)
        take_process(s, &memory->processes[i]);
    for (i = 0; i < s->row_count; i++)
        add_up(s, &s->rows[i]);
    s->has_others = row_at(s, WSGI_TALLY_ROWS) != NULL;
    return 0;
}

void wsgi_snapshot_free(wsgi_snapshot *snapshot)
{
    free(snapshot->rows);
    free(snapshot->processes);
}
