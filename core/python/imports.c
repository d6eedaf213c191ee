/*
 * imports.c - restricts what a customer's interpreter imports to the
 * customer's and root's files.
 *
 * The directories that the settings name have been checked (path.c). But they
 * may contain a link to another customer's file. So each file that the import
 * system reads is checked, too, by the descriptor that it is read from.
 *
 * Python 3 reads source and bytecode with FileLoader.get_data, which we
 * replace in such an interpreter. Extension modules are opened by the system's
 * linker, so they can only be checked just before. The same holds for
 * everything in Python 2, whose import system is in C. Python's own library is
 * not checked.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "surroundings.h"

/* The name of the capsule with the interpreter, the attribute that holds the
   capsule, and the attribute with Python's own create_module. */
static const char capsule[] = "mod_wsgi.interp";
static const char attribute[] = "_mod_wsgi_interp";
static const char original[] = "_mod_wsgi_create_module";

/* The message of the last refusal while the calling thread loads an
   application, or NULL. */
static __thread PyObject *refusal;
static __thread int is_loading;

/* ---- Whose a file is -------------------------------------------------- */

static int is_in_library(const wsgi_interp *interp, const char *path)
{
    const char *const *root = (const char *const *)interp->library;

    while (root != NULL && *root != NULL && !wsgi_mount_covers(*root, path))
        root++;
    return root != NULL && *root != NULL;
}

static int is_below_settings(const wsgi_interp *interp, const char *path)
{
    char root[PATH_MAX];

    if (interp->paths != NULL && wsgi_path_covers(interp, path))
        return 1;
    return interp->virtualenv != NULL &&
           (wsgi_mount_covers(interp->virtualenv, path) ||
            (realpath(interp->virtualenv, root) != NULL &&
             wsgi_mount_covers(root, path)));
}

/* Whether an open file may be code of this interpreter. name is the path that
   it was opened by. A customer's link to a file of root's is refused. */
static int may_run(const wsgi_interp *interp, int fd, const char *name,
                   struct stat *info)
{
    char path[PATH_MAX];

    if (wsgi_path_of(fd, path, sizeof path) < 0 || fstat(fd, info) < 0 ||
        !S_ISREG(info->st_mode))
        return 0;
    if (is_in_library(interp, path))
        return 1;
    if (info->st_uid == 0)
        return !is_below_settings(interp, name) ||
               is_below_settings(interp, path);
    return (long long)info->st_uid == interp->owner &&
           !(info->st_mode & S_IWOTH);
}

static void remember(PyObject *text)
{
    if (!is_loading)
        return;
    Py_XINCREF(text);
    Py_XDECREF(refusal);
    refusal = text;
}

/* Logs why a file can't be imported, and raises ImportError. */
static void refuse(const wsgi_interp *interp, const char *name,
                   const struct stat *info)
{
    char words[PATH_MAX + 64];
    PyObject *text;

    if (info->st_mode & S_IWOTH)
        wsgi_log(wsgi_thread_request(), WSGI_ERROR,
                 "MW0208: '%s' can't be imported: it can be written to by "
                 "everybody: forbid that with \"chmod o-w\"",
                 name);
    else
        wsgi_log(
            wsgi_thread_request(), WSGI_ERROR,
            "MW0209: '%s' can't be imported: it belongs to the user %lld, "
            "and the interpreter '%s' is the user %lld's: a customer's "
            "application must be the customer's own",
            name, (long long)info->st_uid, interp->shown, interp->owner);
    snprintf(words, sizeof words,
             "'%s' is not the customer's own: see the error log", name);
    text = wsgi_path(words);
    if (text != NULL)
        PyErr_SetObject(PyExc_ImportError, text);
    remember(text);
    Py_XDECREF(text);
}

static int open_code(const char *name)
{
    return wsgi_fd_open(name, O_RDONLY | O_NONBLOCK);
}

/* Checks a file by its name. Returns -1 with ImportError if it may not be
   imported, else 0: also if it does not exist or can't be read. */
static int check_name(const wsgi_interp *interp, const char *name)
{
    int fd = open_code(name), result = 0;
    struct stat info = {.st_uid = 0};

    if (fd < 0)
        return 0;
    if (!may_run(interp, fd, name, &info)) {
        refuse(interp, name, &info);
        result = -1;
    }
    close(fd);
    return result;
}

static wsgi_interp *interp_of(PyObject *object)
{
    PyObject *holder = PyObject_GetAttrString(object, attribute);
    wsgi_interp *interp = holder != NULL ? wsgi_pointer_in(holder, capsule)
                                         : NULL;

    Py_XDECREF(holder);
    return interp;
}

/* ---- Python 3 --------------------------------------------------------- */

/* Whether a loader reads its module's own file. Otherwise the file is cached
   bytecode, which a module can load without, or a package's data. */
static int is_its_module(PyObject *loader, PyObject *path)
{
    PyObject *own = PyObject_GetAttrString(loader, "path");
    int result = own != NULL ? PyObject_RichCompareBool(own, path, Py_EQ) : -1;

    Py_XDECREF(own);
    return result;
}

static int is_bytecode(const char *name)
{
    const char *end = strrchr(name, '.');

    return end != NULL && strcmp(end, ".pyc") == 0;
}

PyObject *wsgi_imports_read(int fd, const char *name)
{
    wsgi_buffer source = {.data = NULL};
    PyObject *bytes = NULL;
    char part[8192];
    ssize_t got;

    while ((got = read(fd, part, sizeof part)) > 0)
        if (wsgi_buffer_add(&source, part, (size_t)got) < 0)
            break;
    if (got < 0)
        PyErr_SetFromErrnoWithFilename(PyExc_IOError, (char *)name);
    else if (got > 0)
        PyErr_NoMemory();
    else
        bytes =
            PyBytes_FromStringAndSize(source.data, (Py_ssize_t)source.size);
    free(source.data);
    return bytes;
}

/* Reads an open file, unless it is code that may not run here. */
static PyObject *read_checked(PyObject *loader, PyObject *path, int fd,
                              const char *name)
{
    const wsgi_interp *interp = interp_of(loader);
    int is_module = is_its_module(loader, path);
    struct stat info = {.st_uid = 0};

    if (interp == NULL || is_module < 0)
        return NULL;
    if ((is_module || is_bytecode(name)) &&
        !may_run(interp, fd, name, &info)) {
        errno = EACCES;
        if (is_module)
            refuse(interp, name, &info);
        else
            PyErr_SetFromErrnoWithFilename(PyExc_IOError, (char *)name);
        return NULL;
    }
    return wsgi_imports_read(fd, name);
}

static PyObject *get_data(PyObject *loader, PyObject *path)
{
    PyObject *bytes = wsgi_path_bytes(path), *data = NULL;
    int fd;

    if (bytes == NULL)
        return NULL;
    fd = open_code(PyBytes_AS_STRING(bytes));
    if (fd >= 0) {
        data = read_checked(loader, path, fd, PyBytes_AS_STRING(bytes));
        close(fd);
    } else {
        PyErr_SetFromErrnoWithFilename(PyExc_IOError,
                                       PyBytes_AS_STRING(bytes));
    }
    Py_DECREF(bytes);
    return data;
}

static PyObject *create_module(PyObject *loader, PyObject *spec)
{
    const wsgi_interp *interp = interp_of(loader);
    PyObject *path = PyObject_GetAttrString(loader, "path");
    PyObject *bytes = path != NULL ? wsgi_path_bytes(path) : NULL;
    PyObject *module = NULL;

    if (interp != NULL && bytes != NULL &&
        check_name(interp, PyBytes_AS_STRING(bytes)) == 0)
        module =
            PyObject_CallMethod(loader, (char *)original, (char *)"O", spec);
    Py_XDECREF(bytes);
    Py_XDECREF(path);
    return module;
}

static PyMethodDef get_data_method = {"get_data", get_data, METH_O, NULL};
static PyMethodDef create_module_method = {"create_module", create_module,
                                           METH_O, NULL};

/* Puts a method of ours into a class. */
static int set_method(PyObject *type, PyMethodDef *method)
{
    PyObject *descriptor = PyDescr_NewMethod((PyTypeObject *)type, method);
    int result = descriptor != NULL ? PyObject_SetAttrString(
                                          type, method->ml_name, descriptor)
                                    : -1;

    Py_XDECREF(descriptor);
    return result;
}

static int guard_extensions(PyObject *external)
{
    PyObject *type = PyObject_GetAttrString(external, "ExtensionFileLoader");
    PyObject *theirs = NULL;
    int result = -1;

    if (type != NULL)
        theirs = PyObject_GetAttrString(type, "create_module");
    if (theirs != NULL && PyObject_SetAttrString(type, original, theirs) == 0)
        result = set_method(type, &create_module_method);
    Py_XDECREF(theirs);
    Py_XDECREF(type);
    return result;
}

static int guard_loaders(PyObject *holder)
{
    PyObject *external = PyImport_ImportModule("_frozen_importlib_external");
    PyObject *type = NULL;
    int result = -1;

    if (external != NULL)
        type = PyObject_GetAttrString(external, "FileLoader");
    if (type != NULL && PyObject_SetAttrString(type, attribute, holder) == 0 &&
        set_method(type, &get_data_method) == 0)
        result = guard_extensions(external);
    Py_XDECREF(type);
    Py_XDECREF(external);
    return result;
}

/* ---- Python 2 --------------------------------------------------------- */

/* The result of imp.find_module for a module, or NULL. */
static PyObject *find(const char *name, PyObject *path)
{
    PyObject *imp = PyImport_ImportModule("imp"), *found = NULL;

    if (imp != NULL)
        found = PyObject_CallMethod(imp, (char *)"find_module", (char *)"sO",
                                    name, path);
    Py_XDECREF(imp);
    return found;
}

static int check_either(const wsgi_interp *interp, const char *name,
                        const char *end)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s%s", name, end);
    return check_name(interp, path);
}

/* Checks the source of a module or package, and the bytecode beside it. */
static int check_found(const wsgi_interp *interp, PyObject *found)
{
    static const char *const ends[] = {"", "c", "/__init__.py",
                                       "/__init__.pyc"};
    const char *path = NULL, *suffix, *mode;
    PyObject *file;
    int kind, i;

    if (!PyArg_ParseTuple(found, "Oz(ssi)", &file, &path, &suffix, &mode,
                          &kind))
        return -1;
    for (i = 0; i < 4 && path != NULL && path[0] == '/'; i++) {
        struct stat info;

        if (i == 0 && (stat(path, &info) < 0 || S_ISDIR(info.st_mode)))
            continue;
        if (check_either(interp, path, ends[i]) < 0)
            return -1;
    }
    return 0;
}

/* A finder for sys.meta_path that never finds anything. It raises ImportError
   for what is forbidden, and Python loads the rest. */
static PyObject *find_module(PyObject *holder, PyObject *args)
{
    const wsgi_interp *interp = wsgi_pointer_in(holder, capsule);
    PyObject *path = Py_None, *found;
    const char *name, *last;
    int result = 0;

    if (interp == NULL || !PyArg_ParseTuple(args, "s|O", &name, &path))
        return NULL;
    last = strrchr(name, '.');
    found = find(last != NULL ? last + 1 : name, path);
    if (found == NULL)
        PyErr_Clear();
    else
        result = check_found(interp, found);
    Py_XDECREF(found);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef find_module_method = {"find_module", find_module,
                                         METH_VARARGS, NULL};

/* The finder imports imp, which must not call the finder again. So imp is
   imported before. */
static int guard_finders(PyObject *holder)
{
    PyObject *imp = PyImport_ImportModule("imp");
    PyObject *finder = PyImport_AddModule("_mod_wsgi_imports");
    PyObject *function = PyCFunction_New(&find_module_method, holder);
    PyObject *finders = PySys_GetObject((char *)"meta_path");
    int result = -1;

    if (imp != NULL && finder != NULL && function != NULL && finders != NULL &&
        PyObject_SetAttrString(finder, "find_module", function) == 0)
        result = PyList_Insert(finders, 0, finder);
    Py_XDECREF(function);
    Py_XDECREF(imp);
    return result;
}

/* ---- Interpreters ----------------------------------------------------- */

static void add_library(wsgi_interp *interp, size_t *count, const char *path)
{
    char **more =
        realloc(interp->library, (*count + 2) * sizeof *interp->library);

    if (more == NULL)
        return;
    interp->library = more;
    more[*count] = realpath(path, NULL);
    if (more[*count] != NULL && strcmp(more[*count], "/") != 0)
        ++*count;
    more[*count] = NULL;
}

static void add_prefix(wsgi_interp *interp, size_t *count, const char *name)
{
    static const char *const parts[] = {"lib", "lib64", "local/lib"};
    PyObject *prefix = PySys_GetObject((char *)name);
    PyObject *bytes = prefix != NULL ? wsgi_path_bytes(prefix) : NULL;
    char path[PATH_MAX];
    size_t i;

    for (i = 0; bytes != NULL && i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, "%s/%s", PyBytes_AS_STRING(bytes),
                 parts[i]);
        add_library(interp, count, path);
    }
    Py_XDECREF(bytes);
}

/* Finds the directories of the server's own Python: what is on sys.path by
   now, and where its packages are, with those of the process's environment. */
static void find_library(wsgi_interp *interp)
{
    PyObject *paths = PySys_GetObject((char *)"path");
    Py_ssize_t i, items = paths != NULL ? PyList_Size(paths) : 0;
    size_t count = 0;

    add_prefix(interp, &count, "prefix");
    add_prefix(interp, &count, "base_prefix");
    if (wsgi_virtualenv_of_process() != NULL)
        add_library(interp, &count, wsgi_virtualenv_of_process());
    for (i = 0; i < items; i++) {
        PyObject *item = PySequence_GetItem(paths, i);
        PyObject *bytes = item != NULL ? wsgi_path_bytes(item) : NULL;

        if (bytes != NULL && PyBytes_AS_STRING(bytes)[0] == '/')
            add_library(interp, &count, PyBytes_AS_STRING(bytes));
        Py_XDECREF(bytes);
        Py_XDECREF(item);
    }
    PyErr_Clear();
}

int wsgi_imports_guard(wsgi_interp *interp)
{
    PyObject *holder;
    int result;

    if (interp->owner < 0)
        return 0;
    find_library(interp);
    holder = wsgi_pointer(interp, capsule);
    if (holder == NULL)
        return -1;
    result = WSGI_HAS_IMPORTLIB ? guard_loaders(holder)
                                : guard_finders(holder);
    Py_DECREF(holder);
    return result;
}

/* ---- Applications ----------------------------------------------------- */

void wsgi_imports_begin(void)
{
    is_loading = 1;
}

void wsgi_imports_end(void)
{
    is_loading = 0;
    Py_CLEAR(refusal);
}

/* Any other exception is the application's own. */
int wsgi_imports_is_refusal(void)
{
    return refusal != NULL && PyErr_ExceptionMatches(PyExc_ImportError) &&
           wsgi_error_comes_from(refusal);
}
