/*
 * tally.c - counts what is served, in memory that the server's processes
 * share.
 *
 * A row belongs to an application with its settings. A request finds its row
 * by comparing a few strings: with those of the thread's last request, then
 * with those that this process knows, and once with the rows of the memory.
 */
#include <errno.h>
#include <unistd.h>

#include "request.h"

#define OTHERS WSGI_TALLY_ROWS
#define BUCKETS 256

/* What tells applications apart. */
enum text {
    APPLICATION,
    INTERPRETER,
    DIRECTORY,
    VIRTUALENV,
    PROCESS,
    USER,
    PYTHON,
    SITE,
    TEXTS
};

typedef struct identity {
    const char *texts[TEXTS]; /* NULL: not set */
    long long owner;
    unsigned port;
} identity;

/* A row that this process knows. Nodes are only added. */
typedef struct node {
    struct node *next;
    identity is;
    unsigned row;
} node;

static wsgi_tally *tally; /* NULL: nothing is counted */
static const char *component = "";
static uint32_t configuration;
static wsgi_tally_child *mine; /* NULL: no place was free */
static node *known[BUCKETS];   /* atomic */
static unsigned known_count;   /* atomic */

/* What a thread keeps. It is one record, since each look for it takes time. */
typedef struct kept {
    const node *last; /* the row of its last request */
    wsgi_tally_use *current;
} kept;

static __thread kept here;

/* ---- Times -------------------------------------------------------------- */

uint64_t wsgi_tally_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

unsigned wsgi_tally_bucket(uint64_t microseconds)
{
    unsigned power;

    if (microseconds > UINT32_MAX)
        microseconds = UINT32_MAX;
    if (microseconds < 4)
        return (unsigned)microseconds;
    power = 31U - (unsigned)__builtin_clz((unsigned)microseconds);
    return (power - 1) * 4 + ((unsigned)(microseconds >> (power - 2)) & 3U);
}

uint64_t wsgi_tally_bound(unsigned bucket)
{
    return bucket < 4 ? bucket
                      : (uint64_t)(4 + bucket % 4) << (bucket / 4 - 1);
}

/* ---- Who ---------------------------------------------------------------- */

static void identify(identity *is, const wsgi_request *request,
                     const wsgi_settings *s)
{
    int is_default = s->interpreter == NULL;

    is->texts[APPLICATION] = s->application != NULL ? s->application
                                                    : request->filename;
    is->texts[INTERPRETER] = s->interpreter;
    is->texts[DIRECTORY] = s->directory;
    is->texts[VIRTUALENV] = s->virtualenv;
    is->texts[PROCESS] = s->process;
    is->texts[USER] = s->user;
    is->texts[PYTHON] = s->python;
    is->texts[SITE] = is_default ? request->site_name : NULL;
    is->port = is_default ? request->site_port : 0;
    is->owner = s->owner;
}

static int is_same(const identity *a, const identity *b)
{
    int i;

    if (a->owner != b->owner || a->port != b->port)
        return 0;
    for (i = 0; i < TEXTS; i++) {
        const char *one = a->texts[i], *other = b->texts[i];

        if (one != other &&
            (one == NULL || other == NULL || strcmp(one, other) != 0))
            return 0;
    }
    return 1;
}

/* Never 0. */
static uint64_t hash(const identity *is)
{
    unsigned long long sum = WSGI_HASH_START;
    int i;

    for (i = 0; i < TEXTS; i++)
        sum = wsgi_hash_add_text(sum, is->texts[i]);
    sum = wsgi_hash_add(sum, (const char *)&is->owner, sizeof is->owner);
    sum = wsgi_hash_add(sum, (const char *)&is->port, sizeof is->port);
    return sum != 0 ? sum : 1;
}

/* names is all zeros. */
static void name(wsgi_tally_names *names, const identity *is,
                 const wsgi_request *request, const wsgi_settings *s)
{
    char *end = names->interpreter + sizeof names->interpreter - 1;

    snprintf(names->application, sizeof names->application, "%s",
             is->texts[APPLICATION]);
    wsgi_naming_append(names->interpreter, end, request, s);
    if (s->process != NULL)
        wsgi_naming_process(request, s, names->process, sizeof names->process);
    snprintf(names->user, sizeof names->user, "%s",
             s->user != NULL ? s->user : "");
    snprintf(names->python, sizeof names->python, "%s",
             s->python != NULL ? s->python : "");
    names->owner = s->owner;
}

/* ---- Rows of the memory ------------------------------------------------- */

/* Whether the row has become the caller's. */
static int claim(wsgi_tally_row *row, uint64_t key,
                 const wsgi_tally_names *names)
{
    uint64_t free_key = 0;

    if (!wsgi_atomic_swap(&row->key, &free_key, key, WSGI_ACQ_REL,
                          WSGI_RELAXED))
        return 0;
    row->names = *names;
    row->first = (int64_t)time(NULL);
    wsgi_atomic_store(&row->is_ready, 1U, WSGI_RELEASE);
    return 1;
}

/* The number of the row, which is made if it is missing. OTHERS: none is free,
   or another process is just making it. */
static unsigned find_row(uint64_t key, const wsgi_tally_names *names)
{
    unsigned i;

    for (i = 0; i < WSGI_TALLY_ROWS; i++) {
        unsigned at = (unsigned)((key + i) % WSGI_TALLY_ROWS);
        wsgi_tally_row *row = &tally->rows[at];
        uint64_t theirs = wsgi_atomic_load(&row->key, WSGI_ACQUIRE);

        if (theirs == 0 && claim(row, key, names))
            return at;
        if (wsgi_atomic_load(&row->key, WSGI_ACQUIRE) != key)
            continue;
        if (!wsgi_atomic_load(&row->is_ready, WSGI_ACQUIRE))
            return OTHERS;
        if (memcmp(&row->names, names, sizeof *names) == 0)
            return at;
    }
    return OTHERS;
}

/* Notes what another process needs to load the application. */
static void note_recall(unsigned row, const wsgi_tally_names *names,
                        const wsgi_request *request)
{
    wsgi_tally_recall *recall = &tally->rows[row].recall;

    if (row != OTHERS && names->owner < 0 && names->process[0] == '\0' &&
        request->htaccess == NULL && recall->configuration != configuration)
        wsgi_recall_put(recall, request, configuration);
}

/* ---- What this process knows -------------------------------------------- */

/* Copies the texts behind the node. Returns NULL when memory is out. */
static node *new_node(const identity *is, unsigned row)
{
    size_t sizes[TEXTS], all = sizeof(node);
    node *made;
    char *at;
    int i;

    for (i = 0; i < TEXTS; i++) {
        sizes[i] = is->texts[i] != NULL ? strlen(is->texts[i]) + 1 : 0;
        all += sizes[i];
    }
    made = malloc(all);
    if (made == NULL)
        return NULL;
    made->is = *is;
    made->row = row;
    at = (char *)(made + 1);
    for (i = 0; i < TEXTS; i++)
        if (is->texts[i] != NULL) {
            made->is.texts[i] = memcpy(at, is->texts[i], sizes[i]);
            at += sizes[i];
        }
    return made;
}

/* Returns NULL if the row is not to be remembered, or memory is out. */
static const node *add_node(node **bucket, const identity *is, unsigned row)
{
    node *made;

    if (row == OTHERS ||
        wsgi_atomic_add(&known_count, 1, WSGI_RELAXED) > 2 * OTHERS)
        return NULL;
    made = new_node(is, row);
    if (made == NULL)
        return NULL;
    made->next = wsgi_atomic_load(bucket, WSGI_ACQUIRE);
    while (!wsgi_atomic_swap(bucket, &made->next, made, WSGI_RELEASE,
                             WSGI_ACQUIRE))
        ;
    return made;
}

/* Stores the row's node, if it has one, in *found. Returns the row. */
static unsigned look_up(const identity *is, const wsgi_request *request,
                        const wsgi_settings *s, const node **found)
{
    uint64_t key = hash(is);
    node **bucket = &known[key % BUCKETS];
    node *at = wsgi_atomic_load(bucket, WSGI_ACQUIRE);
    wsgi_tally_names names = {.owner = 0};
    unsigned row;

    while (at != NULL && !is_same(&at->is, is))
        at = at->next;
    if (at != NULL) {
        *found = at;
        return at->row;
    }
    name(&names, is, request, s);
    row = find_row(key, &names);
    note_recall(row, &names, request);
    *found = add_node(bucket, is, row);
    return row;
}

/* ---- Children ----------------------------------------------------------- */

int wsgi_tally_is_dead(uint32_t pid)
{
    return pid != 0 && pid <= INT32_MAX && kill((pid_t)pid, 0) < 0 &&
           errno == ESRCH;
}

void wsgi_tally_enter_child(void)
{
    if (tally != NULL)
        mine = wsgi_sibling_enter(tally);
}

void wsgi_tally_leave_child(void)
{
    if (mine != NULL && mine->pid == (uint32_t)getpid())
        wsgi_atomic_store(&mine->pid, 0U, WSGI_RELEASE);
}

void wsgi_tally_open(wsgi_tally *memory, const char *of, uint32_t from)
{
    tally = memory;
    component = of;
    configuration = from;
    mine = NULL;
    if (memory == NULL)
        return;
    if (memory->began == 0)
        memory->began = (int64_t)time(NULL);
    memory->starts++;
}

const wsgi_tally *wsgi_tally_memory(void)
{
    return tally;
}

const char *wsgi_tally_component(void)
{
    return component;
}

wsgi_tally *wsgi_tally_shared(void)
{
    return tally;
}

wsgi_tally_child *wsgi_tally_mine(void)
{
    return mine;
}

uint64_t wsgi_tally_key(const wsgi_request *request,
                        const wsgi_settings *settings)
{
    identity is;

    identify(&is, request, settings);
    return hash(&is);
}

unsigned wsgi_tally_number_of(const wsgi_tally_use *use)
{
    return use->row;
}

/* ---- A request ---------------------------------------------------------- */

static void count_busy(unsigned row, int difference)
{
    if (mine != NULL)
        wsgi_atomic_add(&mine->busy[row], (uint16_t)difference, WSGI_RELAXED);
}

void wsgi_tally_begin(wsgi_tally_use *use, const wsgi_request *request,
                      const wsgi_settings *settings)
{
    kept *self = &here;
    identity is;

    if (tally == NULL)
        return;
    identify(&is, request, settings);
    use->row = self->last != NULL && is_same(&self->last->is, &is)
                   ? self->last->row
                   : look_up(&is, request, settings, &self->last);
    use->request = request;
    use->outer = self->current;
    self->current = use;
    count_busy(use->row, 1);
    use->began = wsgi_tally_now();
}

static void add(uint64_t *to, uint64_t number)
{
    wsgi_atomic_add(to, number, WSGI_RELAXED);
}

void wsgi_tally_end(wsgi_tally_use *use, int status)
{
    const wsgi_host *host = wsgi_process_given.host;
    wsgi_sent sent = {.status = status};
    wsgi_tally_row *row;
    uint64_t time_taken;

    if (tally == NULL)
        return;
    time_taken = wsgi_tally_now() - use->began;
    if (status == 0 && host->measure != NULL)
        host->measure(use->request->record, &sent);
    row = &tally->rows[use->row];
    add(&row->requests, 1);
    add(&row->microseconds, time_taken);
    add(&row->times[wsgi_tally_bucket(time_taken)], 1);
    add(&row->bytes, (uint64_t)sent.bytes);
    if (sent.status >= 500 || sent.is_broken)
        add(&row->errors, 1);
    wsgi_atomic_store(&row->last, (int64_t)time(NULL), WSGI_RELAXED);
    count_busy(use->row, -1);
    if (mine != NULL)
        add(&mine->requests, 1);
    here.current = use->outer;
}

unsigned wsgi_tally_busy(void)
{
    unsigned i, sum = 0;

    for (i = 0; mine != NULL && i <= OTHERS; i++)
        sum += wsgi_atomic_load(&mine->busy[i], WSGI_RELAXED);
    return sum;
}

/* ---- What happens in between -------------------------------------------- */

wsgi_tally_row *wsgi_tally_row_of(const wsgi_request *request)
{
    const wsgi_tally_use *use = tally != NULL ? here.current : NULL;

    return use != NULL && use->request == request ? &tally->rows[use->row]
                                                  : NULL;
}

void wsgi_tally_note_error(const wsgi_request *request, const char *line)
{
    wsgi_tally_row *row = wsgi_tally_row_of(request);
    size_t size = strlen(line);

    if (row == NULL)
        return;
    if (size >= sizeof row->error)
        size = sizeof row->error - 1;
    memcpy(row->error, line, size);
    row->error[size] = '\0';
    row->error_at = (int64_t)time(NULL);
}

void wsgi_tally_note_load(const wsgi_request *request, uint64_t microseconds)
{
    wsgi_tally_row *row = wsgi_tally_row_of(request);

    if (row != NULL)
        row->load_ms = (uint32_t)(microseconds / 1000U) + 1;
}

/* Notes the process at a place that is its own already, or is free. */
static int note_at(wsgi_tally_process *at, uint32_t pid,
                   int (*is_gone)(uint32_t pid))
{
    if (at->pid != pid && !wsgi_sibling_take(&at->pid, pid, is_gone))
        return 0;
    at->row = here.current->row;
    at->noted = (int64_t)wsgi_seconds();
    return 1;
}

void wsgi_tally_note_process(uint32_t pid)
{
    unsigned i;

    if (tally == NULL || here.current == NULL)
        return;
    for (i = 0; i < WSGI_TALLY_PROCESSES; i++)
        if (tally->processes[i].pid == pid || tally->processes[i].pid == 0)
            break;
    for (; i < WSGI_TALLY_PROCESSES; i++)
        if (note_at(&tally->processes[i], pid, NULL))
            return;
    for (i = 0; i < WSGI_TALLY_PROCESSES; i++)
        if (note_at(&tally->processes[i], pid, wsgi_tally_is_dead))
            return;
}

/* ---- For new processes -------------------------------------------------- */

/* The most used row of those that were not taken yet, or NULL. */
static const wsgi_tally_row *next_used(const unsigned char *taken,
                                       int64_t since)
{
    const wsgi_tally_row *best = NULL;
    unsigned i;

    for (i = 0; i < WSGI_TALLY_ROWS; i++) {
        const wsgi_tally_row *row = &tally->rows[i];

        if (!taken[i] && wsgi_atomic_load(&row->is_ready, WSGI_ACQUIRE) &&
            row->last >= since &&
            (best == NULL || row->requests > best->requests))
            best = row;
    }
    return best;
}

/* Whatever a child was loading when it died is not loaded beforehand again. */
static void forget_deadly(void)
{
    unsigned i, count = wsgi_sibling_count(tally);

    for (i = 0; i < count; i++) {
        wsgi_tally_child *child = &tally->children[i];
        uint32_t loading = child->loading;

        if (loading == 0 || loading > WSGI_TALLY_ROWS || child->pid == 0 ||
            wsgi_sibling_lives(child->pid))
            continue;
        tally->rows[loading - 1].recall.size = 0;
        child->loading = 0;
    }
}

void wsgi_tally_note_loading(const wsgi_tally_recall *which)
{
    if (mine != NULL)
        mine->loading = which != NULL ? which->row + 1 : 0;
}

unsigned wsgi_tally_recall_most(wsgi_tally_recall *to, unsigned most,
                                int64_t recent)
{
    unsigned char taken[WSGI_TALLY_ROWS] = {0};
    int64_t since = (int64_t)time(NULL) - recent;
    const wsgi_tally_row *row;
    unsigned count = 0;

    if (tally == NULL || mine == NULL)
        return 0;
    forget_deadly();
    while (count < most && (row = next_used(taken, since)) != NULL) {
        uint32_t number = (uint32_t)(row - tally->rows);

        taken[number] = 1;
        if (wsgi_recall_copy(&to[count], &row->recall, configuration) == 0)
            to[count++].row = number;
    }
    return count;
}
