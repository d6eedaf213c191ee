/*
 * reload.c - a changed application in a fresh interpreter.
 *
 * With mod_wsgi.reload on, once a second one request looks at the files of
 * the application: the file it was loaded from, and every module below the
 * directories of mod_wsgi.directory. When one has changed, that request loads
 * the application in a fresh interpreter while the others go on in the old
 * one. If that works, the fresh one takes the old one's place; if not, the
 * old one keeps serving.
 */
#include <fts.h>
#include <sys/stat.h>

#include "core.h"

struct wsgi_watch {
    PyObject *files; /* dict: path -> (mtime, size), as loaded */
    time_t checked;
    unsigned long long tree; /* of a failed attempt: what it saw; 0 none */
    int busy;    /* a thread is checking; atomic */
    int refused; /* that it can't be reloaded has been logged */
};

/* ---- Files ------------------------------------------------------------ */

/* (seconds, nanoseconds, size) of a file; of one that is gone, None. */
static PyObject *stamp_of(const char *path)
{
    struct stat info;

    if (stat(path, &info) == 0)
        return Py_BuildValue("(LlL)", (long long)info.st_mtime,
                             (long)info.st_mtim.tv_nsec,
                             (long long)info.st_size);
    Py_INCREF(Py_None);
    return Py_None;
}

/* The source file of a module, borrowed from *holder; NULL if it has none. */
static const char *source_of(PyObject *module, PyObject **holder)
{
    PyObject *file = PyObject_GetAttrString(module, "__file__");
    char *path = NULL;
    size_t size;

    if (file != NULL && WSGI_NATIVE_CHECK(file))
        *holder = wsgi_path_bytes(file);
    PyErr_Clear();
    Py_XDECREF(file);
    if (*holder == NULL)
        return NULL;
    path = PyBytes_AS_STRING(*holder);
    size = (size_t)PyBytes_GET_SIZE(*holder);
    if (size > 4 && strcmp(path + size - 4, ".pyc") == 0)
        path[size - 1] = '\0';
    return path;
}

/* Compares a file with what is known of it, or makes it known. Returns 1 if
   it has changed. */
static int look_at(wsgi_watch *watch, const char *path)
{
    PyObject *stamp = stamp_of(path), *known;
    int changed = 0;

    if (stamp == NULL)
        return -1;
    known = PyDict_GetItemString(watch->files, path);
    if (known != NULL)
        changed = PyObject_RichCompareBool(known, stamp, Py_NE);
    if (known == NULL || changed > 0)
        if (PyDict_SetItemString(watch->files, path, stamp) < 0)
            changed = -1;
    Py_DECREF(stamp);
    return changed;
}

/* Looks at all files, also when the first has changed: a change is noticed
   once. Returns how many have changed, or -1. */
static int look_at_all(const wsgi_interp *interp, wsgi_watch *watch,
                       const wsgi_request *request,
                       const wsgi_settings *settings)
{
    PyObject *modules = PyDict_Values(PyImport_GetModuleDict());
    Py_ssize_t i;
    int changed = 0, result = 0;

    if (settings->application == NULL)
        changed = look_at(watch, request->filename);
    for (i = 0; modules != NULL && i < PyList_GET_SIZE(modules); i++) {
        PyObject *holder = NULL;
        const char *path = source_of(PyList_GET_ITEM(modules, i), &holder);

        if (path != NULL && wsgi_path_covers(interp, path))
            result = look_at(watch, path);
        Py_XDECREF(holder);
        changed |= result;
    }
    Py_XDECREF(modules);
    return modules != NULL ? changed : -1;
}

/* A number that changes when any .py file below the directories changes:
   what made an attempt fail may be in a file nobody has imported. */
static unsigned long long sum_of_tree(const wsgi_settings *settings)
{
    char *copy = strdup(settings->directory ? settings->directory : "");
    char *roots[64] = {NULL}, *rest = NULL;
    unsigned long long sum = 1;
    FTSENT *item;
    FTS *tree;
    int n = 0;

    roots[0] = copy != NULL ? strtok_r(copy, ":", &rest) : NULL;
    while (roots[n] != NULL && n < 62)
        roots[++n] = strtok_r(NULL, ":", &rest);
    tree = n > 0 ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    while (tree != NULL && (item = fts_read(tree)) != NULL)
        if (item->fts_info == FTS_F && item->fts_namelen > 3 &&
            strcmp(item->fts_name + item->fts_namelen - 3, ".py") == 0)
            sum = sum * 31 + (unsigned long long)item->fts_statp->st_size +
                  (unsigned long long)item->fts_statp->st_mtim.tv_sec * 997 +
                  (unsigned long long)item->fts_statp->st_mtim.tv_nsec;
    if (tree != NULL)
        fts_close(tree);
    free(copy);
    return sum;
}

/* ---- The swap --------------------------------------------------------- */

/* Whether the interpreter can be replaced at all; says once if not. */
static int is_replaceable(const wsgi_interp *interp, wsgi_watch *watch,
                          const wsgi_request *request)
{
    int is_main = strcmp(interp->name, "main_interpreter") == 0;

    if (!is_main && !wsgi_runtime_is_shared())
        return 1;
    if (!watch->refused)
        wsgi_log(request, WSGI_WARNING,
                 "the application has changed, but mod_wsgi.reload can't "
                 "replace the interpreter '%s', %s: restart the server",
                 interp->shown,
                 is_main ? "which is Python's main one"
                         : "which belongs to mod_python");
    watch->refused = 1;
    return 0;
}

/* Loads the application in a fresh interpreter; goes back to the old one if
   it does not load. */
static void swap(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *old = visit->slot->interp, *fresh;

    Py_BEGIN_ALLOW_THREADS
    fresh = wsgi_interp_again(visit->request, old);
    Py_END_ALLOW_THREADS
    if (fresh == NULL)
        return;
    wsgi_interp_hold(old); /* it must be there to go back to */
    if (wsgi_visit_move(visit, fresh) == 0) {
        if (wsgi_script_find(visit, settings) != NULL) {
            wsgi_log(visit->request, WSGI_INFO,
                     "the application has changed and was loaded anew");
            Py_BEGIN_ALLOW_THREADS /* its lock is held while others are made */
            wsgi_interp_replace(old, fresh);
            Py_END_ALLOW_THREADS
        } else {
            wsgi_log(visit->request, WSGI_ERROR,
                     "the application has changed and does not load: what "
                     "was loaded before keeps serving");
            wsgi_visit_move(visit, old);
            wsgi_interp_retire(fresh);
            old->watch->tree = sum_of_tree(settings);
        }
    }
    wsgi_interp_release(old);
}

static wsgi_watch *new_watch(void)
{
    wsgi_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL || (watch->files = PyDict_New()) == NULL) {
        free(watch);
        return NULL;
    }
    return watch;
}

void wsgi_reload_forget(wsgi_watch *watch)
{
    if (watch != NULL)
        Py_DECREF(watch->files);
    free(watch);
}

void wsgi_reload_watch(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *interp = visit->slot->interp;
    wsgi_watch *watch = interp->watch;

    if (watch != NULL || (watch = new_watch()) == NULL)
        return;
    if (look_at_all(interp, watch, visit->request, settings) >= 0)
        interp->watch = watch;
    else
        wsgi_reload_forget(watch);
    PyErr_Clear();
}

static int has_changed(const wsgi_interp *interp, wsgi_watch *watch,
                       const wsgi_request *request,
                       const wsgi_settings *settings)
{
    int changed = look_at_all(interp, watch, request, settings);

    PyErr_Clear();
    if (watch->tree != 0 && watch->tree != sum_of_tree(settings))
        changed = 1;
    return changed > 0;
}

void wsgi_reload_check(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *interp = visit->slot->interp;
    wsgi_watch *watch = interp->watch;
    time_t now = time(NULL);

    if (watch == NULL || watch->checked == now ||
        __atomic_exchange_n(&watch->busy, 1, __ATOMIC_ACQUIRE))
        return;
    watch->checked = now;
    if (has_changed(interp, watch, visit->request, settings) &&
        is_replaceable(interp, watch, visit->request))
        swap(visit, settings);
    __atomic_store_n(&watch->busy, 0, __ATOMIC_RELEASE);
}
