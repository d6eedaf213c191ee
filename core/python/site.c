/*
 * site.c - runs Python's site.py, for an interpreter's virtual environment.
 *
 * site.py sets up an environment: sys.prefix, sys.path with the entries of
 * .pth files, sitecustomize. It finds the environment by sys.executable. So an
 * interpreter starts without site, sys.executable is set to the environment's
 * command, and then site is imported, before any code of an application runs.
 * This happens in the thread of a request, because code of .pth files may take
 * long or fork.
 */
#include <sys/stat.h>

#include "surroundings.h"

/* sys.name = text, a path. */
static int set_path(const char *name, const char *text)
{
    PyObject *path = wsgi_path(text);
    int result = path != NULL ? PySys_SetObject((char *)name, path) : -1;

    Py_XDECREF(path);
    return result;
}

/* The same, if this Python has that name. */
static int reset_path(const char *name, const char *text)
{
    return PySys_GetObject((char *)name) != NULL ? set_path(name, text) : 0;
}

static int is_same_file(const char *a, const char *b)
{
    struct stat first, second;

    return stat(a, &first) == 0 && stat(b, &second) == 0 &&
           first.st_ino == second.st_ino && first.st_dev == second.st_dev;
}

/* Sets sys._base_executable to the file that the environment's command is a
   link to, if that is the Python that runs here. */
static int set_base_command(const char *command)
{
    PyObject *base = PySys_GetObject((char *)"_base_executable");
    PyObject *path = base != NULL ? wsgi_path_bytes(base) : NULL;
    char *real = realpath(command, NULL);
    int result = base == NULL || path != NULL ? 0 : -1;

    if (path != NULL && real != NULL && strcmp(real, command) != 0 &&
        is_same_file(real, PyBytes_AS_STRING(path)))
        result = set_path("_base_executable", real);
    free(real);
    Py_XDECREF(path);
    return result;
}

static int set_commands(const char *root)
{
    char command[WSGI_WALK_PATH + 64];

    snprintf(command, sizeof command, "%s/bin/python", root);
    if (set_path("executable", command) < 0)
        return -1;
    return WSGI_BASE_EXECUTABLE_IS_BASE
               ? set_base_command(command)
               : reset_path("_base_executable", command);
}

static int set_prefixes(const wsgi_virtualenv *env)
{
    if (set_path("prefix", env->root) < 0 ||
        set_path("exec_prefix", env->root) < 0)
        return -1;
    if (!env->has_own_library)
        return 0;
    return reset_path("base_prefix", env->root) |
           reset_path("base_exec_prefix", env->root);
}

/* ---- sys.path --------------------------------------------------------- */

PyObject *wsgi_site_path(void)
{
    PyObject *sys = PyImport_ImportModule("sys"), *path = NULL;

    if (sys != NULL)
        path = PyObject_GetAttrString(sys, "path");
    Py_XDECREF(sys);
    if (path != NULL && !PyList_Check(path)) {
        PyErr_SetString(PyExc_RuntimeError, "sys.path is not a list");
        Py_CLEAR(path);
    }
    return path;
}

/* An entry of sys.path, moved from below Python's prefix to below the root of
   an environment with its own library. A new reference. */
static PyObject *move_entry(PyObject *entry, const char *prefix,
                            const char *root)
{
    PyObject *path = wsgi_path_bytes(entry), *moved = NULL;
    char other[2 * WSGI_WALK_PATH];
    const char *text = path != NULL ? PyBytes_AS_STRING(path) : "";

    snprintf(other, sizeof other, "%s/lib", prefix);
    if (path != NULL && strncmp(text, other, strlen(other)) == 0) {
        snprintf(other, sizeof other, "%s%s", root, text + strlen(prefix));
        moved = wsgi_path(other);
    } else if (path != NULL) {
        Py_INCREF(entry);
        moved = entry;
    }
    Py_XDECREF(path);
    return moved;
}

/* Makes sys.path use the environment's standard library. */
static int move_library(const char *root)
{
    PyObject *list = wsgi_site_path();
    PyObject *prefix = PySys_GetObject((char *)"prefix");
    PyObject *bytes = prefix != NULL ? wsgi_path_bytes(prefix) : NULL;
    Py_ssize_t i, count = list != NULL ? PyList_Size(list) : 0;
    int result = list != NULL && bytes != NULL ? 0 : -1;

    for (i = 0; i < count && result == 0; i++) {
        PyObject *entry = PySequence_GetItem(list, i), *moved = NULL;

        if (entry != NULL)
            moved = move_entry(entry, PyBytes_AS_STRING(bytes), root);
        result = moved != NULL ? PyList_SetItem(list, i, moved) : -1;
        Py_XDECREF(entry);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(list);
    return result;
}

/* ---- An interpreter that site has run in ------------------------------ */

/* Whether an entry of sys.path is a directory of packages that site adds. */
static int is_of_site(PyObject *entry)
{
    PyObject *path = WSGI_NATIVE_CHECK(entry) ? wsgi_path_bytes(entry) : NULL;
    const char *end = path != NULL ? strrchr(PyBytes_AS_STRING(path), '/')
                                   : NULL;
    int answer = end != NULL && (strcmp(end, "/site-packages") == 0 ||
                                 strcmp(end, "/dist-packages") == 0);

    Py_XDECREF(path);
    PyErr_Clear();
    return answer;
}

static int drop_packages(void)
{
    PyObject *list = wsgi_site_path();
    Py_ssize_t i = list != NULL ? PyList_Size(list) : 0;
    int result = list != NULL ? 0 : -1;

    while (--i >= 0 && result == 0) {
        PyObject *entry = PySequence_GetItem(list, i);

        if (entry == NULL)
            result = -1;
        else if (is_of_site(entry))
            result = PySequence_DelItem(list, i);
        Py_XDECREF(entry);
    }
    Py_XDECREF(list);
    return result;
}

/* sys.name = sys.other, in a Python that has the other. */
static int copy_back(const char *name, const char *other)
{
    PyObject *value = PySys_GetObject((char *)other);

    return value != NULL ? PySys_SetObject((char *)name, value) : 0;
}

/* Lets site run again if it has run already: in an interpreter of
   mod_python's, or one shared with an application without this environment.
   What the system's .pth files have imported stays. */
static int forget_site(void)
{
    static const char *const names[] = {"site", "sitecustomize",
                                        "usercustomize"};
    PyObject *modules = PyImport_GetModuleDict(); /* borrowed */
    size_t i;

    if (PyMapping_HasKeyString(modules, (char *)"site") == 0)
        return 0;
    for (i = 0; i < sizeof names / sizeof names[0]; i++)
        if (PyMapping_HasKeyString(modules, (char *)names[i]) &&
            PyMapping_DelItemString(modules, (char *)names[i]) < 0)
            return -1;
    if (copy_back("prefix", "base_prefix") < 0 ||
        copy_back("exec_prefix", "base_exec_prefix") < 0)
        return -1;
    return drop_packages();
}

/* ---- The run ---------------------------------------------------------- */

/* Sets what site.py finds the environment by. */
static int set_up(const wsgi_virtualenv *env)
{
    if (set_commands(env->root) < 0 ||
        (env->has_own_library && move_library(env->root) < 0))
        return -1;
    return env->has_own_library || WSGI_SITE_NEEDS_PREFIX ? set_prefixes(env)
                                                          : 0;
}

/* Whether site is to leave out the packages in the home of the server's user.
   An environment that includes the system's packages may have them. site.py
   itself reads that in pyvenv.cfg, but in Python 2 only an environment's own
   site.py does. */
static int leaves_out_user(const wsgi_virtualenv *env)
{
    return env->root[0] == '\0' || env->is_customers ||
           (WSGI_SITE_IS_OLD && !env->has_own_library);
}

/* Reloads a module that was imported with other prefixes. */
static int reload(PyObject *module)
{
    PyObject *same = PyImport_ReloadModule(module);

    Py_XDECREF(same);
    return same != NULL ? 0 : -1;
}

static int run(const wsgi_virtualenv *env)
{
    PyObject *paths = wsgi_dict_get(PyImport_GetModuleDict(), "sysconfig");
    PyObject *site = NULL;
    int result = -1;

    if (forget_site() == 0 && (env->root[0] == '\0' || set_up(env) == 0) &&
        wsgi_python_expect_site(leaves_out_user(env)) == 0)
        site = PyImport_ImportModule("site");
    if (site != NULL)
        result = paths != NULL ? reload(paths) : 0;
    Py_XDECREF(site);
    Py_XDECREF(paths);
    return result;
}

int wsgi_site_run(const wsgi_request *request, const wsgi_virtualenv *env)
{
    int result = run(env);

    wsgi_fork_leave(request);
    return result;
}
