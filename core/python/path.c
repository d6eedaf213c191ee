/*
 * path.c - what the settings put on an interpreter's sys.path.
 *
 * mod_wsgi.directory is put before what site.py (site.c) has put on sys.path.
 * Each directory is added once in the life of an interpreter.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interpreters.h"

/* Inserts a path into sys.path, unless we have put it there before. Returns 1
   if it was inserted, 0 if it was there, or -1. */
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

static int add_directory(wsgi_visit *visit, const wsgi_settings *settings,
                         const char *name, Py_ssize_t place)
{
    char resolved[WSGI_WALK_PATH];
    int status = wsgi_directory_check(visit->request, settings,
                                      "mod_wsgi.directory", name, resolved,
                                      sizeof resolved);
    PyObject *path;
    int result;

    if (status != 0) {
        visit->status = status;
        return -1;
    }
    path = wsgi_path(resolved);
    result = path != NULL ? insert(visit->slot->interp, path, place) : -1;
    Py_XDECREF(path);
    return result;
}

static int add_directories(wsgi_visit *visit, const wsgi_settings *settings)
{
    char *copy = strdup(settings->directory), *rest = NULL, *name;
    Py_ssize_t place = 0;
    int result = 0;

    if (copy == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    name = strtok_r(copy, ":", &rest);
    for (; name != NULL && result >= 0; name = strtok_r(NULL, ":", &rest)) {
        result = add_directory(visit, settings, name, place);
        place += result > 0;
    }
    free(copy);
    return result < 0 ? -1 : 0;
}

/* ---- Virtual environments --------------------------------------------- */

/* Runs site for the virtual environment of the settings, or for none. */
static int run_site(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_virtualenv env = {.root = ""};
    int status = wsgi_virtualenv_find(visit->request, settings, &env);

    if (status != 0) {
        visit->status = status;
        return -1;
    }
    if (wsgi_site_run(visit->request, visit->slot->interp, &env) < 0)
        return -1;
    visit->slot->interp->needs_site = 0;
    return 0;
}

/* Uses the environment of an application. An interpreter can use only one. If
   site has run without it, site runs again. */
static int add_virtualenv(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *interp = visit->slot->interp;
    const char *root = settings->virtualenv;

    if (interp->virtualenv != NULL) {
        if (strcmp(interp->virtualenv, root) == 0)
            return 0;
        wsgi_log(visit->request, WSGI_ERROR,
                 "mod_wsgi.virtualenv '%s' can't be used: the interpreter "
                 "'%s' uses '%s' already; give this application its own "
                 "mod_wsgi.interpreter",
                 root, interp->shown, interp->virtualenv);
        return -1;
    }
    interp->virtualenv = strdup(root); /* imports.c reads it while site runs */
    if (interp->virtualenv == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    if (run_site(visit, settings) == 0)
        return 0;
    free(interp->virtualenv);
    interp->virtualenv = NULL;
    return -1;
}

int wsgi_path_apply(wsgi_visit *visit, const wsgi_settings *settings)
{
    int result = 0;

    if (settings->virtualenv != NULL)
        result = add_virtualenv(visit, settings);
    else if (visit->slot->interp->needs_site)
        result = run_site(visit, settings);
    if (result < 0)
        return -1;
    return settings->directory != NULL ? add_directories(visit, settings) : 0;
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
