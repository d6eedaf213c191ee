/*
 * osenviron.c - gives each interpreter its own os.environ.
 *
 * Python makes os.environ from the process's environment, and writes changes
 * of os.environ back to it. Up to Python 3.8 interpreters even share the dict
 * behind os.environ. So one application would see what another has set.
 * Therefore the environment is copied when Python has started, and each
 * interpreter gets a dict of its own, made from the copy. The variables
 * mod_wsgi.environ.NAME are put into that dict and nowhere else.
 */
#include <unistd.h>

#include "surroundings.h"

/* The process's environment as Python found it: NAME=VALUE, ended by NULL.
   Written before the first interpreter is prepared. */
static char **original;

int wsgi_osenviron_copy(void)
{
    size_t i, count = 0;

    while (WSGI_ENVIRON[count] != NULL)
        count++;
    original = calloc(count + 1, sizeof *original);
    for (i = 0; original != NULL && i < count; i++)
        if ((original[i] = strdup(WSGI_ENVIRON[i])) == NULL)
            return -1;
    return original != NULL ? 0 : -1;
}

/* Adds NAME=VALUE to a dict of bytes. If a name comes twice, the first counts,
   as in Python. */
static int add_entry(PyObject *data, const char *entry)
{
    const char *equals = strchr(entry, '=');
    PyObject *name, *value;
    int result = -1;

    if (equals == NULL)
        return 0;
    name = PyBytes_FromStringAndSize(entry, equals - entry);
    value = PyBytes_FromString(equals + 1);
    if (name != NULL && value != NULL)
        result = PyDict_Contains(data, name);
    if (result == 0)
        result = PyDict_SetItem(data, name, value);
    Py_XDECREF(name);
    Py_XDECREF(value);
    return result < 0 ? -1 : 0;
}

static PyObject *new_data(void)
{
    PyObject *data = PyDict_New();
    char **entry;

    for (entry = original; data != NULL && *entry != NULL; entry++)
        if (add_entry(data, *entry) < 0)
            Py_CLEAR(data);
    return data;
}

/* Makes os.environ or os.environb use the dict. Python 2 has no environb. */
static int use_data(PyObject *os, const char *name, PyObject *data)
{
    PyObject *object;
    int result;

    if (!PyObject_HasAttrString(os, name))
        return 0;
    object = PyObject_GetAttrString(os, name);
    if (object == NULL)
        return -1;
    result = PyObject_SetAttrString(object, WSGI_ENVIRON_DATA, data);
    Py_DECREF(object);
    return result;
}

int wsgi_osenviron_install(wsgi_interp *interp)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *posix = PyImport_ImportModule("posix");
    PyObject *data = new_data();
    int result = -1;

    if (os != NULL && posix != NULL && data != NULL &&
        PyObject_SetAttrString(posix, "environ", data) == 0 &&
        use_data(os, "environ", data) == 0)
        result = use_data(os, "environb", data);
    Py_XDECREF(os);
    Py_XDECREF(posix);
    interp->os_environ = data;
    interp->environ_given = PyDict_New();
    interp->environ_told = PySet_New(NULL);
    return interp->environ_given != NULL && interp->environ_told != NULL
               ? result
               : -1;
}

/* ---- mod_wsgi.environ.NAME -------------------------------------------- */

int wsgi_osenviron_is_known(const wsgi_interp *interp,
                            const wsgi_settings *settings)
{
    return settings->environ_sum == 0 ||
           settings->environ_sum ==
               wsgi_atomic_load(&interp->environ_sum, WSGI_ACQUIRE);
}

/* A walk over the variables of a request. */
typedef struct walk {
    PyObject *wanted; /* dict of bytes */
    int renamed;      /* looking for renamed variables */
    int failed;
} walk;

static void want(void *arg, const char *name, const char *value)
{
    walk *w = arg;
    int renamed;
    const char *plain = wsgi_settings_environ_name(name, &renamed);
    PyObject *key, *text;

    if (w->failed || plain == NULL || renamed != w->renamed)
        return;
    key = PyBytes_FromString(plain);
    text = PyBytes_FromString(value);
    w->failed = key == NULL || text == NULL ||
                PyDict_SetItem(w->wanted, key, text) < 0;
    Py_XDECREF(key);
    Py_XDECREF(text);
}

/* The variables that a request has for os.environ: a dict of bytes. A renamed
   variable stands in for a missing one. */
static PyObject *wanted_by(const wsgi_request *request)
{
    walk w = {.wanted = PyDict_New(), .renamed = 1};

    if (w.wanted == NULL)
        return NULL;
    wsgi_recall_each(request, want, &w);
    w.renamed = 0;
    wsgi_recall_each(request, want, &w);
    if (w.failed)
        Py_CLEAR(w.wanted);
    return w.wanted;
}

/* Puts a variable into os.environ, unless the interpreter has been given one
   of that name. Returns whether that had another value, or -1. The process's
   environment is not changed, for it is everybody's. */
static int give(wsgi_interp *interp, PyObject *name, PyObject *value)
{
    PyObject *given = PyDict_GetItem(interp->environ_given, name);

    if (given != NULL)
        return PyObject_RichCompareBool(given, value, Py_NE);
    if (PyDict_SetItem(interp->os_environ, name, value) < 0)
        return -1;
    return PyDict_SetItem(interp->environ_given, name, value);
}

/* Logs each name once. Returns 0, or -1. */
static int report_difference(const wsgi_request *request, wsgi_interp *interp,
                             PyObject *name)
{
    int is_told = PySet_Contains(interp->environ_told, name);

    if (is_told != 0)
        return is_told < 0 ? -1 : 0;
    wsgi_log(
        request, WSGI_WARNING,
        "MW0125: mod_wsgi.environ.%s differs from what the interpreter '%s' "
        "was given first and keeps: give this application its own "
        "mod_wsgi.interpreter; if the value was changed, restart the server, "
        "or change the application's file if mod_wsgi.reload is on",
        PyBytes_AS_STRING(name), interp->shown);
    return PySet_Add(interp->environ_told, name);
}

static int give_all(const wsgi_request *request, wsgi_interp *interp,
                    PyObject *wanted)
{
    PyObject *name, *value;
    Py_ssize_t place = 0;
    int differs = 0;

    while (differs >= 0 && PyDict_Next(wanted, &place, &name, &value)) {
        differs = give(interp, name, value);
        if (differs > 0)
            differs = report_difference(request, interp, name);
    }
    return differs < 0 ? -1 : 0;
}

int wsgi_osenviron_apply(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *interp = visit->slot->interp;
    PyObject *wanted;
    int result;

    if (wsgi_osenviron_is_known(interp, settings))
        return 0;
    wanted = wanted_by(visit->request);
    if (wanted == NULL)
        return -1;
    result = give_all(visit->request, interp, wanted);
    Py_DECREF(wanted);
    if (result == 0)
        wsgi_atomic_store(&interp->environ_sum, settings->environ_sum,
                          WSGI_RELEASE);
    return result;
}
