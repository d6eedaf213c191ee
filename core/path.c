/*
 * path.c - what the settings put on an interpreter's sys.path.
 *
 * mod_wsgi.directory comes first, then the standard library, the virtual
 * environment's site-packages, and the system's. Each is added once in the
 * life of an interpreter.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"

static int is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A reference of our own, for an application may put another list there while
   this one is used. */
static PyObject *get_sys_path(void)
{
    PyObject *sys = PyImport_ImportModule("sys"), *path = NULL;

    if (sys != NULL)
        path = PyObject_GetAttrString(sys, "path");
    Py_XDECREF(sys);
    if (path != NULL && !PyList_Check(path)) {
        PyErr_SetString(PyExc_RuntimeError, "sys.path is no list");
        Py_CLEAR(path);
    }
    return path;
}

/* Puts a path at a place of sys.path unless it is one of ours already.
   Returns 1 if it did, 0 if it was there. */
static int insert(wsgi_interp *interp, PyObject *path, Py_ssize_t place)
{
    PyObject *sys_path;
    int there = PySequence_Contains(interp->paths, path), result = -1;

    if (there != 0)
        return there < 0 ? -1 : 0;
    sys_path = get_sys_path();
    if (sys_path != NULL && PyList_Insert(sys_path, place, path) == 0 &&
        PyList_Append(interp->paths, path) == 0)
        result = 1;
    Py_XDECREF(sys_path);
    return result;
}

/* Stores the path of an open directory without links in it: what was checked
   is what will be used, whatever becomes of the name. */
static int resolve(int fd, char *path, size_t size)
{
    char link[64];
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    length = readlink(link, path, size - 1);
    if (length < 0)
        return -1;
    path[length] = '\0';
    return 0;
}

/* Checks a directory that a setting names. A customer's is resolved, too. */
static int check_directory(wsgi_visit *visit, const wsgi_settings *settings,
                           const char *what, const char *name, char *path,
                           size_t size)
{
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int status = 0;

    snprintf(path, size, "%s", name);
    if (fd < 0 && settings->owner < 0 && access(name, X_OK) == 0 &&
        is_directory(name))
        return 0; /* not for listing; a customer's has to be opened */
    if (fd < 0) {
        wsgi_log(visit->request, WSGI_ERROR,
                 "%s '%s' is not a directory that this server's user can "
                 "read: correct the path, or its permissions",
                 what, name);
        return -1;
    }
    status = wsgi_owner_check(visit->request, settings, fd, what, name);
    if (status != 0)
        visit->status = status;
    else if (settings->owner >= 0)
        status = resolve(fd, path, size);
    close(fd);
    return status == 0 ? 0 : -1;
}

static int add_directory(wsgi_visit *visit, const wsgi_settings *settings,
                         const char *name, Py_ssize_t place)
{
    char resolved[4096];
    PyObject *path;
    int result;

    if (check_directory(visit, settings, "mod_wsgi.directory", name, resolved,
                        sizeof resolved) < 0)
        return -1;
    path = wsgi_path(resolved);
    result = path != NULL ? insert(visit->slot->interp, path, place) : -1;
    Py_XDECREF(path);
    return result;
}

static int add_directories(wsgi_visit *visit, const wsgi_settings *settings)
{
    char *copy = strdup(settings->directory), *rest = NULL, *name;
    Py_ssize_t place = 0;
    int result = copy != NULL ? 0 : -1;

    name = copy != NULL ? strtok_r(copy, ":", &rest) : NULL;
    for (; name != NULL && result >= 0; name = strtok_r(NULL, ":", &rest)) {
        result = add_directory(visit, settings, name, place);
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

/* Where the packages of the system begin on sys.path: behind the standard
   library, which a virtual environment does not replace. */
static Py_ssize_t find_system_packages(PyObject *sys_path, Py_ssize_t count)
{
    Py_ssize_t i;

    for (i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(sys_path, i), *path = NULL;
        const char *end;

        if (item != NULL && WSGI_NATIVE_CHECK(item))
            path = wsgi_path_bytes(item);
        Py_XDECREF(item);
        end = path != NULL ? strrchr(PyBytes_AS_STRING(path), '/') : NULL;
        if (end != NULL && (strcmp(end, "/site-packages") == 0 ||
                            strcmp(end, "/dist-packages") == 0))
            count = i;
        Py_XDECREF(path);
    }
    PyErr_Clear();
    return count;
}

/* Lets site.py add a directory and what its .pth files name at the end of
   sys.path, then moves that before the system's own packages. */
static int add_site(const char *name)
{
    PyObject *sys_path = get_sys_path();
    PyObject *site = PyImport_ImportModule("site");
    PyObject *done = NULL, *added = NULL, *path = wsgi_path(name);
    Py_ssize_t before = 0, after = 0, place;
    int result = -1;

    if (sys_path != NULL && site != NULL && path != NULL) {
        before = PyList_Size(sys_path);
        done =
            PyObject_CallMethod(site, (char *)"addsitedir", (char *)"O", path);
        after = PyList_Size(sys_path);
    }
    if (done != NULL)
        added = PyList_GetSlice(sys_path, before, after);
    if (added != NULL && PyList_SetSlice(sys_path, before, after, NULL) == 0) {
        place = find_system_packages(sys_path, before);
        result = PyList_SetSlice(sys_path, place, place, added);
    }
    Py_XDECREF(added);
    Py_XDECREF(done);
    Py_XDECREF(path);
    Py_XDECREF(site);
    Py_XDECREF(sys_path);
    return result;
}

static int add_virtualenv(wsgi_visit *visit, const wsgi_settings *settings)
{
    wsgi_interp *interp = visit->slot->interp;
    const char *root = settings->virtualenv;
    char checked[4096], packages[4200];

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
    if (check_directory(visit, settings, "mod_wsgi.virtualenv", root, checked,
                        sizeof checked) < 0)
        return -1;
    snprintf(packages, sizeof packages, "%s/lib/%s/site-packages", checked,
             WSGI_PYTHON_NAME);
    if (!is_directory(packages))
        return refuse_environment(visit->request, root);
    interp->virtualenv = strdup(root);
    if (interp->virtualenv == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    return add_site(packages);
}

int wsgi_path_apply(wsgi_visit *visit, const wsgi_settings *settings)
{
    if (settings->virtualenv != NULL && add_virtualenv(visit, settings) < 0)
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
