/*
 * script.c - finds, imports and caches applications.
 *
 * An application is a callable in a module, or in a file that the URL maps to.
 * Each interpreter remembers what was found, with the settings that led to it.
 * So a request mostly compares a few short strings.
 */
#include <fcntl.h>
#include <unistd.h>

#include "../request/notes.h"
#include "application.h"

#define FORBIDDEN 403

struct wsgi_script {
    wsgi_script *next;
    char *application; /* mod_wsgi.application, or the file's name */
    char *directory;   /* mod_wsgi.directory, or NULL */
    char *virtualenv;  /* mod_wsgi.virtualenv, or NULL */
    int is_file;
    PyObject *callable;
    uint32_t *is_used; /* a mark for those who begin later */
    uint64_t took;     /* microseconds of the load; 0: that was told */
};

/* What is being looked for. */
typedef struct wanted {
    wsgi_visit *visit;
    const wsgi_request *request;
    const wsgi_settings *settings;
    wsgi_interp *interp;
    const char *application;
    int is_file;
} wanted;

static int is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static int is_wanted(const wsgi_script *script, const wanted *w)
{
    return script != NULL && script->is_file == w->is_file &&
           strcmp(script->application, w->application) == 0 &&
           is_same(script->directory, w->settings->directory) &&
           is_same(script->virtualenv, w->settings->virtualenv);
}

/* ---- Loading ---------------------------------------------------------- */

/* The message of the exception that is set, borrowed from *holder, which the
   caller drops. Clears the exception. */
static const char *take_message(PyObject **holder)
{
    PyObject *type, *value, *traceback, *text;

    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    text = value != NULL ? PyObject_Str(value) : NULL;
    *holder = text != NULL ? wsgi_text_bytes(text) : NULL;
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    return *holder != NULL ? PyBytes_AS_STRING(*holder) : "";
}

/* Whether the exception that is set says that the module itself was not found.
   Without a traceback, none of its code has run. */
static int is_missing(void)
{
    PyObject *type, *value, *traceback;
    int answer;

    PyErr_Fetch(&type, &value, &traceback);
    answer = traceback == NULL && type != NULL &&
             PyErr_GivenExceptionMatches(type, PyExc_ImportError);
    PyErr_Restore(type, value, traceback);
    return answer;
}

/* Whether the module is in one of the directories, but closed to the server's
   user. If so, stores why. */
static int is_closed(const wanted *w, const char *module, char *why,
                     size_t size)
{
    const char *all = w->settings->directory, *next;
    size_t first = strcspn(module, ".");
    char path[WSGI_WALK_PATH];
    int answer = 0;

    for (; all != NULL && !answer; all = next) {
        int length = (int)strcspn(all, ":");

        next = all[length] == ':' ? all + length + 1 : NULL;
        snprintf(path, sizeof path, "%.*s/%.*s", length, all, (int)first,
                 module);
        answer = wsgi_steps_explain(path, why, size);
        snprintf(path, sizeof path, "%.*s/%.*s.py", length, all, (int)first,
                 module);
        answer = answer || wsgi_steps_explain(path, why, size);
    }
    return answer;
}

static void report_missing(const wanted *w, const char *module)
{
    PyObject *holder;
    const char *message = take_message(&holder);
    char advice[WSGI_STEPS_SIZE];

    if (wsgi_spelling_mend(w->application, advice, sizeof advice) ||
        is_closed(w, module, advice, sizeof advice))
        wsgi_log(w->request, WSGI_ERROR,
                 "MW0301: mod_wsgi.application '%s': %s; %s", w->application,
                 message, advice);
    else
        wsgi_log(
            w->request, WSGI_ERROR,
            "MW0302: mod_wsgi.application '%s': %s in the interpreter '%s'; "
            "set mod_wsgi.directory (now %s) to the directory that holds %s",
            w->application, message, w->interp->shown,
            w->settings->directory ? w->settings->directory : "not set",
            module);
    Py_XDECREF(holder);
}

static void report_failed(const wanted *w)
{
    wsgi_missing missing;
    PyObject *texts;
    char what[1024];
    int is_refusal =
        wsgi_imports_is_refusal(); /* the reason has been logged */

    snprintf(what, sizeof what,
             "MW0303: %s'%s' can't be loaded, because it raised:",
             w->is_file ? "the application file " : "mod_wsgi.application ",
             w->application);
    wsgi_missing_find(&missing);
    texts = wsgi_errors_texts();
    wsgi_errors_report(w->request, what);
    if (!is_refusal)
        wsgi_missing_hint(w->request, w->settings, w->interp, &missing);
    wsgi_failures_note(w->request, w->interp, w->application, texts);
    Py_XDECREF(texts);
}

/* If the exception that is set is a refused import, sets the status that any
   file gets that a customer may not use. Returns whether it is one. */
static int forbid_if_refused(const wanted *w)
{
    if (!wsgi_imports_is_refusal())
        return 0;
    w->visit->status = FORBIDDEN;
    return 1;
}

/* Imports the module that the application's setting names. */
static PyObject *import_module(const wanted *w)
{
    const char *colons = strstr(w->application, "::");
    size_t size = colons ? (size_t)(colons - w->application)
                         : strlen(w->application);
    char *name = strndup(w->application, size);
    PyObject *module = NULL;

    if (name != NULL)
        module = PyImport_ImportModule(name);
    else
        PyErr_NoMemory();
    wsgi_fork_leave(w->request);
    if (module == NULL && forbid_if_refused(w) && is_missing())
        PyErr_Clear(); /* it exists, and the log says why it is refused */
    else if (module == NULL && is_missing())
        report_missing(w, name);
    else if (module == NULL)
        report_failed(w);
    free(name);
    return module;
}

/* Whether the application's open file may be used. If not, the log says why,
   and the visit has the status for the client. */
static int is_usable(const wanted *w, int fd)
{
    int status = wsgi_owner_check(w->request, w->settings, fd,
                                  "the application file", w->application);

    if (status != 0)
        w->visit->status = status;
    return status == 0;
}

static PyObject *compile_source(PyObject *source, const char *name)
{
    PyObject *builtins = PyImport_ImportModule(WSGI_BUILTINS);
    PyObject *path = wsgi_path(name), *code = NULL;

    if (builtins != NULL && path != NULL)
        code = PyObject_CallMethod(builtins, (char *)"compile",
                                   (char *)"OOsii", source, path, "exec", 0,
                                   1);
    Py_XDECREF(path);
    Py_XDECREF(builtins);
    return code;
}

/* Makes the name of a file's module. It is unique, and the same each time. */
static void name_module(const char *file, char *name, size_t size)
{
    snprintf(name, size, "_mod_wsgi_%016llx",
             wsgi_hash_add(WSGI_HASH_START, file, strlen(file)));
}

/* The module that a source makes, or NULL with an exception set. Drops the
   reference to the source. */
static PyObject *execute(const wanted *w, PyObject *source)
{
    PyObject *code = compile_source(source, w->application);
    PyObject *module = NULL;
    char name[64];

    name_module(w->application, name, sizeof name);
    if (code != NULL)
        module = PyImport_ExecCodeModuleEx(name, code, (char *)w->application);
    wsgi_fork_leave(w->request);
    Py_XDECREF(code);
    Py_XDECREF(source);
    return module;
}

/* The module that the application's file makes, or NULL after logging. */
static PyObject *load_file(const wanted *w)
{
    /* O_NONBLOCK: the name may have become that of a pipe. */
    int fd = wsgi_fd_open(w->application, O_RDONLY | O_NONBLOCK);
    int usable = fd >= 0 && is_usable(w, fd);
    PyObject *source = NULL, *module = NULL;

    if (usable)
        source = wsgi_imports_read(fd, w->application);
    else if (fd < 0)
        PyErr_SetFromErrnoWithFilename(PyExc_IOError, (char *)w->application);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 && !usable)
        return NULL;
    if (source != NULL)
        module = execute(w, source);
    if (module == NULL) {
        forbid_if_refused(w);
        report_failed(w);
    }
    return module;
}

/* ---- The callable ----------------------------------------------------- */

static const char *callable_name(const wanted *w)
{
    const char *colons = w->is_file ? NULL : strstr(w->application, "::");

    return colons != NULL ? colons + 2 : "application";
}

/* module.a.b.c for "a.b.c". Drops the reference to module. */
static PyObject *get_dotted(PyObject *object, const char *names)
{
    char *copy = strdup(names), *rest = NULL, *name;

    if (copy == NULL) {
        Py_DECREF(object);
        return PyErr_NoMemory();
    }
    name = strtok_r(copy, ".", &rest);
    for (; name != NULL && object != NULL; name = strtok_r(NULL, ".", &rest)) {
        PyObject *attribute = PyObject_GetAttrString(object, name);

        Py_DECREF(object);
        object = attribute;
    }
    free(copy);
    return object;
}

/* Stores what to write if a module has no callable of the wanted name. Many
   call theirs app, or have a factory. */
static void advise(const wanted *w, PyObject *module, char *text, size_t size)
{
    int length = (int)strcspn(w->application, ":");
    int has_app = PyObject_HasAttrString(module, "app");
    int has_factory = PyObject_HasAttrString(module, "create_app");

    if (w->is_file)
        snprintf(text, size,
                 "write \"application = %s\" at the end of the file",
                 has_app       ? "app"
                 : has_factory ? "create_app()"
                               : "...");
    else if (has_app)
        snprintf(text, size, "write '%.*s::app'", length, w->application);
    else if (has_factory)
        snprintf(text, size,
                 "write \"application = create_app()\" at the end of the "
                 "module, and set mod_wsgi.application to '%.*s'",
                 length, w->application);
    else
        snprintf(text, size, "name the callable as in module::callable");
}

static void report_no_callable(const wanted *w, PyObject *module)
{
    PyObject *holder;
    const char *message = take_message(&holder);
    char advice[WSGI_STEPS_SIZE];

    advise(w, module, advice, sizeof advice);
    wsgi_log(w->request, WSGI_ERROR,
             "MW0304: %s'%s': there is no '%s' (%s); %s",
             w->is_file ? "the application file " : "mod_wsgi.application ",
             w->application, callable_name(w), message, advice);
    Py_XDECREF(holder);
}

/* The callable of a module, or NULL after logging. Drops the reference to
   module. */
static PyObject *get_callable(const wanted *w, PyObject *module)
{
    const char *name = callable_name(w);
    PyObject *callable;

    Py_INCREF(module);
    callable = get_dotted(module, name);
    wsgi_fork_leave(w->request);
    if (callable == NULL) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError))
            report_no_callable(w, module);
        else
            report_failed(w);
    } else if (!PyCallable_Check(callable)) {
        wsgi_log(w->request, WSGI_ERROR,
                 "MW0305: mod_wsgi.application '%s': '%s' is not callable but "
                 "of the type %s; name the callable as in module::callable",
                 w->application, name, Py_TYPE(callable)->tp_name);
        Py_CLEAR(callable);
    }
    Py_DECREF(module);
    return callable;
}

/* ---- The cache -------------------------------------------------------- */

/* Scripts are added at the front and stay there, so looking needs no lock. */
static wsgi_script *find(const wanted *w)
{
    wsgi_script *script = wsgi_atomic_load(&w->interp->scripts, WSGI_ACQUIRE);

    while (script != NULL && !is_wanted(script, w))
        script = script->next;
    return script;
}

static char *copy_or_null(const char *text)
{
    return text != NULL ? strdup(text) : NULL;
}

static wsgi_script *remember(const wanted *w, PyObject *callable)
{
    wsgi_script *script = calloc(1, sizeof *script);

    if (script != NULL)
        script->application = strdup(w->application);
    if (script == NULL || script->application == NULL) {
        wsgi_log(w->request, WSGI_ERROR, "MW0001: out of memory");
        free(script);
        Py_DECREF(callable);
        return NULL;
    }
    script->directory = copy_or_null(w->settings->directory);
    script->virtualenv = copy_or_null(w->settings->virtualenv);
    script->is_file = w->is_file;
    script->callable = callable;
    script->is_used = wsgi_notes_put(w->request, w->settings);
    wsgi_failures_forget(w->interp, w->application);
    script->next = w->interp->scripts;
    wsgi_atomic_store(&w->interp->scripts, script, WSGI_RELEASE);
    return script;
}

void wsgi_script_forget(wsgi_script *scripts)
{
    wsgi_script *next;

    for (; scripts != NULL; scripts = next) {
        next = scripts->next;
        Py_DECREF(scripts->callable);
        free(scripts->application);
        free(scripts->directory);
        free(scripts->virtualenv);
        free(scripts);
    }
}

static wsgi_script *load(const wanted *w)
{
    PyObject *module, *callable;
    int status = wsgi_path_apply(w->request, w->interp, w->settings);

    if (status != 0) {
        w->visit->status = status;
        return NULL;
    }
    module = w->is_file ? load_file(w) : import_module(w);
    callable = module != NULL ? get_callable(w, module) : NULL;
    return callable != NULL ? remember(w, callable) : NULL;
}

static wsgi_script *watch_and_load(const wanted *w)
{
    wsgi_loading loading;
    wsgi_script *script;
    uint64_t began = wsgi_tally_now();

    if (wsgi_loading_is_refused(w->request, w->interp, w->application)) {
        wsgi_retry_later(w->request, 1);
        w->visit->status = 503;
        return NULL;
    }
    wsgi_loading_begin(&loading, w->request, w->interp, w->application);
    wsgi_imports_begin();
    script = load(w);
    wsgi_imports_end();
    wsgi_loading_end(&loading);
    if (script != NULL)
        script->took = wsgi_tally_now() - began;
    return script;
}

/* Tells how long the load took. That is for a request: a process that has
   loaded beforehand has none yet. The caller holds interp->loading. */
static void tell_time(wsgi_script *script, const wsgi_request *request)
{
    const wsgi_host *host = wsgi_process_given.host;

    if (script == NULL || script->took == 0 || request->recalled != NULL)
        return;
    wsgi_tally_note_load(request, script->took);
    if (host->note_load != NULL)
        host->note_load(request->record, script->took);
    script->took = 0;
}

/* Puts the settings into os.environ, then finds or loads the script. */
static wsgi_script *prepare_and_load(const wanted *w)
{
    wsgi_script *script;

    if (wsgi_osenviron_apply(w->visit, w->settings) < 0) {
        report_failed(w);
        return NULL;
    }
    script = find(w);
    if (script == NULL)
        return watch_and_load(w);
    script->is_used = wsgi_notes_put(w->request, w->settings);
    return script;
}

/* Only one thread loads in an interpreter at a time. Others wait without the
   interpreter's lock, and then find what was loaded. */
static wsgi_script *find_or_load(const wanted *w)
{
    wsgi_script *script = NULL;

    if (wsgi_osenviron_is_known(w->interp, w->settings))
        script = find(w);
    if (script != NULL && wsgi_atomic_load(&script->took, WSGI_RELAXED) == 0)
        return script;
    Py_BEGIN_ALLOW_THREADS
    pthread_mutex_lock(&w->interp->loading);
    Py_END_ALLOW_THREADS
    script = prepare_and_load(w);
    tell_time(script, w->request);
    pthread_mutex_unlock(&w->interp->loading);
    return script;
}

PyObject *wsgi_script_find(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_slot *slot = visit->slot;
    wanted w = {
        .visit = visit,
        .request = visit->request,
        .settings = settings,
        .interp = slot->interp,
        .application = settings->application,
    };

    if (w.application == NULL) {
        w.application = w.request->filename;
        w.is_file = 1;
    }
    if (!is_wanted(slot->script, &w) ||
        !wsgi_osenviron_is_known(w.interp, settings))
        slot->script = find_or_load(&w);
    if (slot->script == NULL)
        return NULL;
    if (*slot->script->is_used == 0 && w.request->recalled == NULL)
        *slot->script->is_used = 1;
    return slot->script->callable;
}
