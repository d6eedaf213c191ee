/*
 * environ.c - the environ dict.
 *
 * Two requests of a thread differ little. The names come in the same order,
 * and most values are the same. So each slot keeps the last request's
 * variables as Python objects, in order, and a dict of them. A request walks
 * the server's table along that list, puts the values that differ into the
 * dict, and gets a copy of the dict. An unchanged variable costs two
 * comparisons of strings instead of two new objects and an insertion.
 */
#include "wsgi.h"

/* Distinct names a slot remembers; names come from clients too. */
#define MOST_ENTRIES 256
#define BUCKETS 512 /* a power of two */

typedef struct entry {
    struct entry *following; /* what came after it last time */
    struct entry *chain;     /* the next in its bucket */
    PyObject *key;
    PyObject *value;    /* NULL: not in the dict now */
    const char *name;   /* the bytes of key */
    const char *bytes;  /* the bytes of value */
    unsigned long turn; /* the last request that had it */
    int is_plain;       /* put need not look at the name */
} entry;

struct wsgi_environ {
    PyObject *dict;
    entry *first; /* the list's head */
    entry *buckets[BUCKETS];
    entry entries[MOST_ENTRIES];
    int count;
    int in_dict; /* entries with a value */
    unsigned long turn;
};

/* A walk over one request's variables. */
typedef struct walk {
    wsgi_environ *cache;
    entry **place;   /* where the next entry is expected */
    PyObject *extra; /* a dict of variables too many to remember, or NULL */
    int seen;
    int https;             /* HTTPS is "on" or "1" */
    int hides;             /* some variables of the host: see is_hidden */
    const wsgi_body *kept; /* the request's body, or NULL: the host has it */
    int failed;
} walk;

static unsigned hash(const char *name)
{
    unsigned h = 5381;

    while (*name != '\0')
        h = h * 33 + (unsigned char)*name++;
    return h & (BUCKETS - 1);
}

/* Whether only the core sets a variable: wsgi.*, and those of mount.c. */
static int is_ours(const char *name)
{
    switch (name[0]) {
    case 'S':
        return name[1] == 'C' && strcmp(name, "SCRIPT_NAME") == 0;
    case 'P':
        return name[1] == 'A' && strcmp(name, "PATH_INFO") == 0;
    case 'w':
        return strncmp(name, "wsgi.", 5) == 0;
    default:
        return 0;
    }
}

/* The entry for a name that is not where it was expected; made if need be.
   NULL when the cache is full, or with an exception set. */
static entry *look_up(wsgi_environ *cache, const char *name)
{
    entry **bucket = &cache->buckets[hash(name)];
    entry *e = *bucket;
    size_t size;

    while (e != NULL && strcmp(e->name, name) != 0)
        e = e->chain;
    if (e != NULL || cache->count == MOST_ENTRIES)
        return e;
    e = &cache->entries[cache->count];
    e->key = wsgi_native_name(name);
    if (e->key == NULL)
        return NULL;
    e->name = wsgi_native_data(e->key, &size);
    e->is_plain = !is_ours(name) && strcmp(name, "HTTPS") != 0;
    e->chain = *bucket;
    *bucket = e;
    cache->count++;
    return e;
}

static int set_value(walk *w, entry *e, const char *bytes)
{
    PyObject *value = wsgi_native(bytes, strlen(bytes));
    size_t size;

    if (value == NULL)
        return -1;
    if (PyDict_SetItem(w->cache->dict, e->key, value) < 0) {
        Py_DECREF(value);
        return -1;
    }
    w->cache->in_dict += e->value == NULL;
    Py_XDECREF(e->value);
    e->value = value;
    e->bytes = wsgi_native_data(value, &size);
    return 0;
}

/* A variable beyond those a slot remembers. */
static int put_extra(walk *w, const char *name, const char *bytes)
{
    PyObject *key = wsgi_native(name, strlen(name));
    PyObject *value = wsgi_native(bytes, strlen(bytes));
    int result = -1;

    if (w->extra == NULL)
        w->extra = PyDict_New();
    if (key != NULL && value != NULL && w->extra != NULL)
        result = PyDict_SetItem(w->extra, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return result;
}

/* The next entry of the last request, if it has this name, or NULL. */
static entry *expected(const walk *w, const char *name)
{
    entry *e = *w->place;

    return e != NULL && strcmp(e->name, name) == 0 ? e : NULL;
}

static int put_at(walk *w, entry *e, const char *bytes)
{
    w->place = &e->following;
    w->seen += e->turn != w->cache->turn;
    e->turn = w->cache->turn;
    if (e->value != NULL && strcmp(e->bytes, bytes) == 0)
        return 0;
    return set_value(w, e, bytes);
}

static int put_entry(walk *w, const char *name, const char *bytes)
{
    entry *e = expected(w, name);

    if (e != NULL)
        return put_at(w, e, bytes);
    e = look_up(w->cache, name);
    if (e == NULL)
        return PyErr_Occurred() ? -1 : put_extra(w, name, bytes);
    *w->place = e;
    return put_at(w, e, bytes);
}

/* Whether a variable is for os.environ only, or describes the request's body
   as it was before the core read it. */
static int is_hidden(const walk *w, const char *name)
{
    int renamed;

    if (w->kept != NULL && (strcmp(name, "CONTENT_LENGTH") == 0 ||
                            strcmp(name, "HTTP_TRANSFER_ENCODING") == 0))
        return 1;
    return wsgi_settings_environ_name(name, &renamed) != NULL;
}

static void put_unexpected(walk *w, const char *name, const char *value)
{
    if (is_ours(name) || (w->hides && is_hidden(w, name)))
        return;
    if (strcmp(name, "HTTPS") == 0)
        w->https = strcmp(value, "on") == 0 || strcmp(value, "1") == 0;
    w->failed = put_entry(w, name, value) < 0;
}

static void put(void *arg, const char *name, const char *value)
{
    walk *w = arg;
    entry *e;

    if (w->failed)
        return;
    e = w->hides ? NULL : expected(w, name);
    if (e != NULL && e->is_plain)
        w->failed = put_at(w, e, value) < 0;
    else
        put_unexpected(w, name, value);
}

/* Removes the variables that the last request had and this one lacks. */
static int forget_unseen(wsgi_environ *cache)
{
    int i;

    for (i = 0; i < cache->count; i++) {
        entry *e = &cache->entries[i];

        if (e->value == NULL || e->turn == cache->turn)
            continue;
        if (PyDict_DelItem(cache->dict, e->key) < 0)
            return -1;
        Py_CLEAR(e->value);
        cache->in_dict--;
    }
    return 0;
}

static int put_mount(walk *w, const wsgi_mount *mount)
{
    char local[256], *name = local;
    int result;

    if (mount->size >= sizeof local)
        name = malloc(mount->size + 1);
    if (name == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(name, mount->script_name, mount->size);
    name[mount->size] = '\0';
    result = put_entry(w, "SCRIPT_NAME", name);
    if (name != local)
        free(name);
    return result < 0 ? -1 : put_entry(w, "PATH_INFO", mount->path_info);
}

static int put_length(walk *w)
{
    char digits[24];

    if (w->kept == NULL)
        return 0;
    snprintf(digits, sizeof digits, "%lld", (long long)w->kept->size);
    return put_entry(w, "CONTENT_LENGTH", digits);
}

static int put_all(walk *w, const wsgi_request *request,
                   const wsgi_settings *settings, const wsgi_mount *mount)
{
    const char *scheme = request->scheme;

    w->cache->turn++;
    if (put_mount(w, mount) < 0 || put_length(w) < 0)
        return -1;
    if (settings->authorization && request->authorization != NULL &&
        put_entry(w, "HTTP_AUTHORIZATION", request->authorization) < 0)
        return -1;
    wsgi_process_given.host->each_env(request->record, put, w);
    if (w->failed)
        return -1;
    if (w->https || scheme == NULL)
        scheme = w->https ? "https" : "http";
    if (put_entry(w, "wsgi.url_scheme", scheme) < 0)
        return -1;
    return w->seen < w->cache->in_dict ? forget_unseen(w->cache) : 0;
}

static wsgi_environ *make_cache(wsgi_interp *interp)
{
    wsgi_environ *cache = calloc(1, sizeof *cache);

    if (cache == NULL)
        return (wsgi_environ *)PyErr_NoMemory();
    cache->dict = PyDict_Copy(interp->kit->constants);
    if (cache->dict != NULL)
        return cache;
    free(cache);
    return NULL;
}

void wsgi_environ_free(wsgi_environ *cache)
{
    int i;

    for (i = 0; cache != NULL && i < cache->count; i++) {
        Py_DECREF(cache->entries[i].key);
        Py_XDECREF(cache->entries[i].value);
    }
    if (cache != NULL) {
        Py_DECREF(cache->dict);
    }
    free(cache);
}

/* Puts the objects that belong to one request into its environ. */
static int put_objects(PyObject *environ, wsgi_call *call)
{
    const wsgi_interp *interp = call->visit->slot->interp;
    PyObject *input = wsgi_input_new(call);
    PyObject *errors = wsgi_streams_errors(&call->lease);
    int result = -1;

    if (input != NULL && errors != NULL &&
        PyDict_SetItem(environ, interp->kit->input_key, input) == 0 &&
        PyDict_SetItem(environ, interp->kit->errors_key, errors) == 0)
        result = 0;
    Py_XDECREF(input);
    Py_XDECREF(errors);
    return result;
}

PyObject *wsgi_environ_new(wsgi_call *call, const wsgi_settings *settings,
                           const wsgi_mount *mount)
{
    wsgi_slot *slot = call->visit->slot;
    const wsgi_body *kept = call->visit->kept;
    walk w = {.hides = settings->has_environ || kept != NULL, .kept = kept};
    PyObject *environ = NULL;

    if (slot->environ == NULL &&
        (slot->environ = make_cache(slot->interp)) == NULL)
        return NULL;
    w.cache = slot->environ;
    w.place = &slot->environ->first;
    if (put_all(&w, call->lease.request, settings, mount) == 0)
        environ = PyDict_Copy(w.cache->dict);
    if (environ != NULL &&
        (put_objects(environ, call) < 0 ||
         (w.extra != NULL && PyDict_Update(environ, w.extra) < 0)))
        Py_CLEAR(environ);
    Py_XDECREF(w.extra);
    return environ;
}

static int put_constant(PyObject *dict, const char *name, PyObject *value)
{
    PyObject *key = wsgi_native_name(name);
    int result = -1;

    if (key != NULL && value != NULL)
        result = PyDict_SetItem(dict, key, value);
    Py_XDECREF(key);
    Py_XDECREF(value);
    return result;
}

PyObject *wsgi_environ_constants(wsgi_interp *interp)
{
    const wsgi_process *process = &wsgi_process_given;
    PyObject *dict = PyDict_New();

    Py_INCREF(interp->kit->wrapper_type);
    Py_INCREF(Py_None);
    Py_INCREF(Py_None);
    if (dict != NULL &&
        put_constant(dict, "wsgi.version", Py_BuildValue("(ii)", 1, 0)) == 0 &&
        put_constant(dict, "wsgi.multithread",
                     PyBool_FromLong(process->multithread)) == 0 &&
        put_constant(dict, "wsgi.multiprocess",
                     PyBool_FromLong(process->multiprocess ||
                                     interp->is_pooled)) == 0 &&
        put_constant(dict, "wsgi.run_once", PyBool_FromLong(0)) == 0 &&
        put_constant(dict, "wsgi.input_terminated", PyBool_FromLong(1)) == 0 &&
        put_constant(dict, "wsgi.file_wrapper",
                     (PyObject *)interp->kit->wrapper_type) == 0 &&
        put_constant(dict, "wsgi.input", Py_None) == 0 &&
        put_constant(dict, "wsgi.errors", Py_None) == 0)
        return dict;
    Py_XDECREF(dict);
    return NULL;
}
