/*
 * path.c - what the settings put on an interpreter's sys.path.
 *
 * mod_wsgi.directory is put before what site.py (site.c) has put on sys.path.
 * Each directory is added once in the life of an interpreter.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reports.h"
#include "surroundings.h"

/* Inserts a path into sys.path, unless we have put it there before. Returns 1
   if it was inserted, 0 if it was there, or -1 with an exception set. */
static int insert(wsgi_interp *interp, PyObject *path, Py_ssize_t place)
{
    PyObject *sys_path;
    int there = PySequence_Contains(interp->paths, path), result = -1;

    if (there != 0)
        return there < 0 ? -1 : 0;
    sys_path = wsgi_site_path();
    if (sys_path != NULL && PyList_Insert(sys_path, place, path) == 0 &&
        PyList_Append(interp->paths, path) == 0)
        result = 1;
    Py_XDECREF(sys_path);
    return result;
}

/* Logs the exception that is set. Returns the HTTP status for the client. */
static int report(const wsgi_request *request)
{
    wsgi_errors_report(request, "MW0409: sys.path can't be set up:");
    return 500;
}

/* The following functions return 0, or an HTTP status after logging. */

static int add_directory(const wsgi_request *request, wsgi_interp *interp,
                         const wsgi_settings *settings, const char *name,
                         Py_ssize_t *place)
{
    char resolved[WSGI_WALK_PATH];
    PyObject *path;
    int added = -1, status;

    status = wsgi_directory_check(request, settings, "mod_wsgi.directory",
                                  name, resolved, sizeof resolved);
    if (status != 0)
        return status;
    path = wsgi_path(resolved);
    if (path != NULL)
        added = insert(interp, path, *place);
    Py_XDECREF(path);
    *place += added > 0;
    return added < 0 ? report(request) : 0;
}

static int add_directories(const wsgi_request *request, wsgi_interp *interp,
                           const wsgi_settings *settings)
{
    char *copy = strdup(settings->directory), *rest = NULL, *name;
    Py_ssize_t place = 0;
    int status = 0;

    if (copy == NULL) {
        PyErr_NoMemory();
        return report(request);
    }
    name = strtok_r(copy, ":", &rest);
    for (; name != NULL && status == 0; name = strtok_r(NULL, ":", &rest))
        status = add_directory(request, interp, settings, name, &place);
    free(copy);
    return status;
}

/* Runs site for the virtual environment of the settings, or for none. */
static int run_site(const wsgi_request *request, wsgi_interp *interp,
                    const wsgi_settings *settings)
{
    wsgi_virtualenv env = {.root = ""};
    int status = wsgi_virtualenv_find(request, settings, &env);
    char what[512];

    if (status != 0)
        return status;
    if (wsgi_site_run(request, &env) == 0) {
        interp->needs_site = 0;
        return 0;
    }
    snprintf(
        what, sizeof what,
        "MW0408: the interpreter '%s' can't be made, because site raised:",
        interp->shown);
    wsgi_errors_report(request, what);
    return 500;
}

/* Uses the environment of an application. An interpreter can use only one. If
   site has run without it, site runs again. */
static int add_virtualenv(const wsgi_request *request, wsgi_interp *interp,
                          const wsgi_settings *settings)
{
    const char *root = settings->virtualenv;
    int status;

    if (interp->virtualenv != NULL) {
        if (strcmp(interp->virtualenv, root) == 0)
            return 0;
        wsgi_log(request, WSGI_ERROR,
                 "MW0117: mod_wsgi.virtualenv '%s' can't be used: the "
                 "interpreter '%s' uses '%s' already; give this application "
                 "its own mod_wsgi.interpreter",
                 root, interp->shown, interp->virtualenv);
        return 500;
    }
    interp->virtualenv = strdup(root); /* imports.c reads it while site runs */
    if (interp->virtualenv == NULL) {
        PyErr_NoMemory();
        return report(request);
    }
    status = run_site(request, interp, settings);
    if (status == 0)
        return 0;
    free(interp->virtualenv);
    interp->virtualenv = NULL;
    return status;
}

int wsgi_path_apply(const wsgi_request *request, wsgi_interp *interp,
                    const wsgi_settings *settings)
{
    int status = 0;

    if (settings->virtualenv != NULL)
        status = add_virtualenv(request, interp, settings);
    else if (interp->needs_site)
        status = run_site(request, interp, settings);
    if (status == 0 && settings->directory != NULL)
        status = add_directories(request, interp, settings);
    return status;
}

int wsgi_path_covers(const wsgi_interp *interp, const char *file)
{
    Py_ssize_t i, count = PyList_Size(interp->paths);
    int covers = 0;

    for (i = 0; i < count && !covers; i++) {
        PyObject *item = PySequence_GetItem(interp->paths, i);
        PyObject *path = item != NULL ? wsgi_path_bytes(item) : NULL;

        if (path != NULL)
            covers = wsgi_mount_covers(PyBytes_AS_STRING(path), file);
        Py_XDECREF(path);
        Py_XDECREF(item);
    }
    PyErr_Clear();
    return covers;
}
