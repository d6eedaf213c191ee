/*
 * reload.c - loads a changed application in a fresh interpreter.
 *
 * With mod_wsgi.reload on, one request a second checks the application's
 * files: the file it was loaded from, and every imported module below the
 * directories of mod_wsgi.directory. If one has changed, that request loads
 * the application in a fresh interpreter while others go on in the old one. If
 * that works, the fresh one takes the old one's place. If not, the old one
 * keeps serving.
 *
 * If mod_wsgi.reload names a file, only that file is checked. So it can be
 * touched when an edit is complete.
 *
 * A module may be imported at any time, and edited before its first check. So
 * a file that is new here counts as changed if it is younger than the last
 * check. At the first check, it counts as changed if it is younger than the
 * interpreter.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "application.h"

/* How many levels of directories are searched for sources. */
#define DEEPEST 32

struct wsgi_watch {
    PyObject *files;         /* dict: path -> its stamp when it was loaded */
    struct timespec since;   /* when the files were last checked */
    time_t checked;          /* atomic */
    unsigned long long tree; /* sum_of_tree at a failed attempt, or 0 */
    int stale;               /* a file was edited while it was loaded */
    int busy;                /* a thread is checking; atomic */
    int refused;             /* it has been logged that it can't be replaced */
    int crowded;             /* it has been logged that there are too many */
};

static int is_used; /* atomic */

/* ---- Files ------------------------------------------------------------ */

static int is_before(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec < b->tv_sec ||
           (a->tv_sec == b->tv_sec && a->tv_nsec < b->tv_nsec);
}

/* (seconds, nanoseconds, size) of a file, or None if it is gone. A time in the
   future was set by another machine's clock, so it does not make the file
   younger. */
static PyObject *stamp_of(const char *path, const struct timespec *since,
                          int *is_younger)
{
    struct timespec now;
    struct stat info;

    *is_younger = 0;
    if (stat(path, &info) < 0) {
        Py_INCREF(Py_None);
        return Py_None;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    *is_younger = is_before(since, &info.st_mtim) &&
                  is_before(&info.st_mtim, &now);
    return Py_BuildValue("(LlL)", (long long)info.st_mtim.tv_sec,
                         (long)info.st_mtim.tv_nsec, (long long)info.st_size);
}

/* The source file of a module, borrowed from *holder, or NULL if it has none.
   Reads the module's dict, since asking some modules for an attribute makes
   them import others. */
static const char *source_of(PyObject *module, PyObject **holder)
{
    PyObject *file = NULL;
    char *path = NULL;
    size_t size;

    if (PyModule_Check(module))
        file = wsgi_dict_get(PyModule_GetDict(module), "__file__");
    if (file != NULL && WSGI_NATIVE_CHECK(file))
        *holder = wsgi_path_bytes(file);
    Py_XDECREF(file);
    PyErr_Clear();
    if (*holder == NULL)
        return NULL;
    path = PyBytes_AS_STRING(*holder);
    size = (size_t)PyBytes_GET_SIZE(*holder);
    if (size > 4 && strcmp(path + size - 4, ".pyc") == 0)
        path[size - 1] = '\0';
    return path;
}

/* Compares a file with its known stamp, and remembers a new one. Returns
   whether the file has changed: 0 when memory is out. */
static int has_file_changed(wsgi_watch *watch, const char *path)
{
    int changed = 0, is_younger;
    PyObject *key = wsgi_path(path), *known = NULL;
    PyObject *stamp = stamp_of(path, &watch->since, &is_younger);

    if (key != NULL && stamp != NULL) {
        known = PyDict_GetItem(watch->files, key);
        changed = known != NULL ? PyObject_RichCompareBool(known, stamp, Py_NE)
                                : is_younger;
        if (known == NULL || changed > 0)
            PyDict_SetItem(watch->files, key, stamp);
    }
    Py_XDECREF(key);
    Py_XDECREF(stamp);
    PyErr_Clear();
    return changed > 0;
}

static int is_touched_file(const wsgi_settings *settings)
{
    return settings->reload[0] != '\0';
}

/* Whether a source has changed. All are checked, even after the first that has
   changed, so that one edit of several files is noticed only once. */
static int has_source_changed(const wsgi_interp *interp, wsgi_watch *watch,
                              const wsgi_request *request,
                              const wsgi_settings *settings)
{
    PyObject *modules;
    Py_ssize_t i;
    int changed = 0;

    modules = PyDict_Values(PyImport_GetModuleDict());
    if (settings->application == NULL)
        changed = has_file_changed(watch, request->filename);
    for (i = 0; modules != NULL && i < PyList_GET_SIZE(modules); i++) {
        PyObject *holder = NULL;
        const char *path = source_of(PyList_GET_ITEM(modules, i), &holder);

        if (path != NULL && wsgi_path_covers(interp, path))
            changed |= has_file_changed(watch, path);
        Py_XDECREF(holder);
    }
    Py_XDECREF(modules);
    PyErr_Clear();
    return changed;
}

/* Whether any file has changed that the setting asks to look at. */
static int has_any_changed(const wsgi_interp *interp, wsgi_watch *watch,
                           const wsgi_request *request,
                           const wsgi_settings *settings)
{
    struct timespec now;
    int changed;

    clock_gettime(CLOCK_REALTIME_COARSE, &now); /* the clock of file systems */
    changed = is_touched_file(settings)
                  ? has_file_changed(watch, settings->reload)
                  : has_source_changed(interp, watch, request, settings);
    watch->since = now;
    return changed;
}

static int is_source(const char *name)
{
    size_t size = strlen(name);

    return size > 3 && strcmp(name + size - 3, ".py") == 0;
}

/* Adds the sources below an open directory to the sum, and closes it. Skips
   links, and hidden names, which no module can have. */
static void add_tree(unsigned long long *sum, int fd, int depth)
{
    DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *item;
    struct stat info;

    while (directory != NULL && (item = readdir(directory)) != NULL) {
        const char *name = item->d_name;

        if (name[0] == '.' ||
            fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (S_ISDIR(info.st_mode) && depth < DEEPEST)
            add_tree(sum, wsgi_fd_open_at(fd, name, O_RDONLY | O_DIRECTORY),
                     depth + 1);
        else if (S_ISREG(info.st_mode) && is_source(name))
            *sum = *sum * 31 + (unsigned long long)info.st_size +
                   (unsigned long long)info.st_mtim.tv_sec * 997 +
                   (unsigned long long)info.st_mtim.tv_nsec;
    }
    if (directory != NULL)
        closedir(directory);
    else if (fd >= 0)
        close(fd);
}

/* A number that changes when any .py file below the directories changes. A
   failed attempt needs this: the mistake may be in a file that was not
   imported. */
static unsigned long long sum_of_tree(const wsgi_settings *settings)
{
    char *copy = strdup(settings->directory ? settings->directory : "");
    char *rest = NULL;
    const char *root = copy != NULL ? strtok_r(copy, ":", &rest) : NULL;
    unsigned long long sum = 1;

    for (; root != NULL; root = strtok_r(NULL, ":", &rest))
        add_tree(&sum, wsgi_fd_open(root, O_RDONLY | O_DIRECTORY), 0);
    free(copy);
    return sum;
}

/* The same, with the lock released meanwhile, for a tree may be large. */
static unsigned long long current_sum(const wsgi_settings *settings)
{
    unsigned long long sum;

    Py_BEGIN_ALLOW_THREADS
    sum = sum_of_tree(settings);
    Py_END_ALLOW_THREADS
    return sum;
}

/* ---- The swap --------------------------------------------------------- */

/* Whether the interpreter can be replaced at all. If not, logs that once. */
static int is_replaceable(const wsgi_interp *interp, wsgi_watch *watch,
                          const wsgi_request *request)
{
    int is_main = strcmp(interp->name, WSGI_MAIN_INTERPRETER) == 0;

    if (!is_main && !wsgi_process_is_shared())
        return 1;
    if (!watch->refused)
        wsgi_log(request, WSGI_WARNING,
                 "MW0313: the application has changed, but mod_wsgi.reload "
                 "can't replace the interpreter '%s', %s: restart the server",
                 interp->shown,
                 is_main ? "which is Python's main one"
                         : "which belongs to mod_python");
    watch->refused = 1;
    return 0;
}

/* Python may take a stale compiled copy of a file for a current one: if the
   file was edited twice in one second (and kept its size, in Python 3). So no
   copies are written. */
static void write_no_copies(void)
{
    if (PySys_SetObject((char *)"dont_write_bytecode", Py_True) < 0)
        PyErr_Clear();
}

/* Loads the application in the interpreter that the visit has moved to. If
   that works, this interpreter takes the old one's place. Returns whether it
   did. */
static int load_anew(wsgi_visit *visit, const wsgi_settings *settings,
                     wsgi_interp *old)
{
    write_no_copies();
    if (wsgi_script_find(visit, settings) == NULL) {
        wsgi_log(visit->request, WSGI_ERROR,
                 "MW0312: the application has changed but does not load: the "
                 "old one keeps serving");
        return 0;
    }
    wsgi_log(visit->request, WSGI_INFO,
             "MW0311: the application has changed and was loaded anew");
    Py_BEGIN_ALLOW_THREADS /* the registry's lock is held while interpreters
                              are made */
    wsgi_registry_replace(old, visit->slot->interp);
    Py_END_ALLOW_THREADS
    return 1;
}

/* Loads the application in a fresh interpreter, and goes back to the old one
   if that fails. The caller holds the old one, so it can't end meanwhile. */
static void swap(wsgi_visit *visit, const wsgi_settings *settings,
                 wsgi_watch *watch)
{
    wsgi_interp *old = visit->slot->interp, *fresh;
    unsigned long long tree = 0;

    Py_BEGIN_ALLOW_THREADS
    fresh =
        wsgi_registry_again(visit->request, settings, old, &watch->crowded);
    if (fresh != NULL && !is_touched_file(settings))
        tree = sum_of_tree(settings); /* before the attempt, so that no later
                                         edit is missed */
    Py_END_ALLOW_THREADS
    if (fresh == NULL || wsgi_visit_move(visit, fresh) < 0) {
        watch->stale = 1; /* to be tried again */
        if (fresh != NULL)
            wsgi_interp_retire(fresh);
        return;
    }
    if (load_anew(visit, settings, old))
        return;
    if (wsgi_visit_move(visit, old) == 0)
        watch->tree = tree;
    wsgi_interp_retire(fresh);
}

static wsgi_watch *new_watch(const wsgi_interp *interp)
{
    wsgi_watch *watch = calloc(1, sizeof *watch);

    if (watch == NULL || (watch->files = PyDict_New()) == NULL) {
        PyErr_Clear();
        free(watch);
        return NULL;
    }
    watch->since = interp->born;
    watch->checked = time(NULL);
    return watch;
}

void wsgi_reload_forget(wsgi_watch *watch)
{
    if (watch != NULL) {
        Py_DECREF(watch->files);
    }
    free(watch);
}

static wsgi_watch *watch_of(const wsgi_interp *interp)
{
    return wsgi_atomic_load(&interp->watch, WSGI_ACQUIRE);
}

void wsgi_reload_watch(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *interp = visit->slot->interp;
    wsgi_watch *watch = watch_of(interp), *none = NULL;

    if (watch != NULL || (watch = new_watch(interp)) == NULL)
        return;
    wsgi_atomic_store(&is_used, 1, WSGI_RELAXED);
    watch->stale = has_any_changed(interp, watch, visit->request, settings);
    if (!wsgi_atomic_swap(&interp->watch, &none, watch, WSGI_ACQ_REL,
                          WSGI_RELAXED))
        wsgi_reload_forget(watch); /* another thread was first */
}

int wsgi_reload_is_used(void)
{
    return wsgi_atomic_load(&is_used, WSGI_RELAXED);
}

static int has_changed(const wsgi_interp *interp, wsgi_watch *watch,
                       const wsgi_request *request,
                       const wsgi_settings *settings)
{
    int changed = has_any_changed(interp, watch, request, settings);

    if (watch->tree != 0 && watch->tree != current_sum(settings))
        changed = 1;
    if (watch->stale)
        changed = 1;
    watch->stale = 0;
    return changed;
}

void wsgi_reload_check(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *interp = visit->slot->interp;
    wsgi_watch *watch = watch_of(interp);
    time_t now = time(NULL);
    int is_held;

    if (watch == NULL)
        write_no_copies();
    if (watch == NULL ||
        wsgi_atomic_load(&watch->checked, WSGI_RELAXED) == now ||
        wsgi_atomic_exchange(&watch->busy, 1, WSGI_ACQUIRE))
        return;
    /* While this thread waited for Python's lock, another may have replaced
       the interpreter. Then wsgi_interp_hold fails, for a thread that replaces
       one is done before it clears busy. */
    is_held = wsgi_interp_hold(interp);
    wsgi_atomic_store(&watch->checked, now, WSGI_RELAXED);
    if (is_held && has_changed(interp, watch, visit->request, settings) &&
        is_replaceable(interp, watch, visit->request))
        swap(visit, settings, watch);
    wsgi_atomic_store(&watch->busy, 0, WSGI_RELEASE);
    if (is_held)
        wsgi_interp_release(interp);
}
