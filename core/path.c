/*
 * path.c - what the settings put on an interpreter's sys.path.
 *
 * mod_wsgi.directory comes first, then the virtual environment's
 * site-packages, then what Python itself has there. Each is added once in the
 * life of an interpreter.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "core.h"

static int is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Puts a path at a place of sys.path unless it is one of ours already.
   Returns 1 if it did, 0 if it was there. */
static int insert(wsgi_interp *interp, PyObject *path, Py_ssize_t place)
{
    PyObject *sys_path = PySys_GetObject((char *)"path");
    int there = PySequence_Contains(interp->paths, path);

    if (there != 0)
        return there < 0 ? -1 : 0;
    if (sys_path == NULL || !PyList_Check(sys_path)) {
        PyErr_SetString(PyExc_RuntimeError, "sys.path is no list");
        return -1;
    }
    if (PyList_Insert(sys_path, place, path) < 0 ||
        PyList_Append(interp->paths, path) < 0)
        return -1;
    return 1;
}

static int add_directory(wsgi_interp *interp, const wsgi_request *request,
                         const char *name, Py_ssize_t place)
{
    PyObject *path;
    int result;

    if (!is_directory(name)) {
        wsgi_log(request, WSGI_ERROR,
                 "mod_wsgi.directory '%s' is not a directory that this "
                 "server's user can see: correct the path, or its "
                 "permissions",
                 name);
        return -1;
    }
    path = wsgi_path(name);
    result = path != NULL ? insert(interp, path, place) : -1;
    Py_XDECREF(path);
    return result;
}

static int add_directories(wsgi_interp *interp, const wsgi_request *request,
                           const char *names)
{
    char *copy = strdup(names), *rest = NULL, *name;
    Py_ssize_t place = 0;
    int result = copy != NULL ? 0 : -1;

    name = copy != NULL ? strtok_r(copy, ":", &rest) : NULL;
    for (; name != NULL && result >= 0; name = strtok_r(NULL, ":", &rest)) {
        result = add_directory(interp, request, name, place);
        place += result > 0;
    }
    free(copy);
    return result < 0 ? -1 : 0;
}

/* ---- Virtual environments --------------------------------------------- */

/* Stores the name of a pythonX.Y in the environment's lib, for a message. */
static void find_other_version(const char *lib, char *name, size_t size)
{
    DIR *dir = opendir(lib);
    struct dirent *item;

    name[0] = '\0';
    while (dir != NULL && (item = readdir(dir)) != NULL)
        if (strncmp(item->d_name, "python", 6) == 0)
            snprintf(name, size, "%s", item->d_name);
    if (dir != NULL)
        closedir(dir);
}

static int refuse_environment(const wsgi_request *request, const char *root)
{
    char lib[4096], other[256];

    snprintf(lib, sizeof lib, "%s/lib", root);
    find_other_version(lib, other, sizeof other);
    if (other[0] != '\0')
        wsgi_log(request, WSGI_ERROR,
                 "mod_wsgi.virtualenv '%s' was made for %s, and this server "
                 "runs %s: make it anew with \"%s -m venv --clear %s\"",
                 root, other, WSGI_PYTHON_NAME, WSGI_PYTHON_NAME, root);
    else
        wsgi_log(request, WSGI_ERROR,
                 "mod_wsgi.virtualenv '%s' is not a virtual environment that "
                 "this server's user can see (it has no lib/%s/site-packages)"
                 ": correct the path, or its permissions",
                 root, WSGI_PYTHON_NAME);
    return -1;
}

/* Lets site.py add a directory and what its .pth files name, then moves what
   is new from the end of sys.path to its front. */
static int add_site(const char *name)
{
    PyObject *sys_path = PySys_GetObject((char *)"path");
    PyObject *site = PyImport_ImportModule("site");
    PyObject *done = NULL, *added = NULL, *path = wsgi_path(name);
    Py_ssize_t before = PyList_Size(sys_path);
    int result = -1;

    if (site != NULL && path != NULL && before >= 0)
        done = PyObject_CallMethod(site, (char *)"addsitedir", (char *)"O",
                                   path);
    if (done != NULL)
        added = PyList_GetSlice(sys_path, before, PyList_Size(sys_path));
    if (added != NULL &&
        PyList_SetSlice(sys_path, before, PyList_Size(sys_path), NULL) == 0)
        result = PyList_SetSlice(sys_path, 0, 0, added);
    Py_XDECREF(added);
    Py_XDECREF(done);
    Py_XDECREF(path);
    Py_XDECREF(site);
    return result;
}

static int add_virtualenv(wsgi_interp *interp, const wsgi_request *request,
                          const char *root)
{
    char packages[4096];

    if (interp->virtualenv != NULL) {
        if (strcmp(interp->virtualenv, root) == 0)
            return 0;
        wsgi_log(request, WSGI_ERROR,
                 "mod_wsgi.virtualenv '%s' can't be used: the interpreter "
                 "'%s' uses '%s' already; give this application its own "
                 "mod_wsgi.interpreter",
                 root, interp->name, interp->virtualenv);
        return -1;
    }
    snprintf(packages, sizeof packages, "%s/lib/%s/site-packages", root,
             WSGI_PYTHON_NAME);
    if (!is_directory(packages))
        return refuse_environment(request, root);
    interp->virtualenv = strdup(root);
    if (interp->virtualenv == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return add_site(packages);
}

int wsgi_path_apply(wsgi_interp *interp, const wsgi_request *request,
                    const wsgi_settings *settings)
{
    if (settings->virtualenv != NULL &&
        add_virtualenv(interp, request, settings->virtualenv) < 0)
        return -1;
    if (settings->directory != NULL)
        return add_directories(interp, request, settings->directory);
    return 0;
}
