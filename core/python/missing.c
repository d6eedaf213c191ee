/*
 * missing.c - finds out what an application lacks that does not load.
 *
 * Variables that SetEnv sets are in the environ of each request, but many
 * applications look for them in os.environ. Packages may be in a virtual
 * environment that no setting names. Files may be closed to the server's user.
 * For each, a line in the log says how to mend it.
 */
#include <ctype.h>
#include <errno.h>
#include <strings.h>
#include <unistd.h>

#include "reports.h"
#include "surroundings.h"

/* ---- KeyError --------------------------------------------------------- */

/* object.name, or NULL. Drops the reference to object, which may be NULL. */
static PyObject *follow(PyObject *object, const char *name)
{
    PyObject *found = object != NULL ? PyObject_GetAttrString(object, name)
                                     : NULL;

    Py_XDECREF(object);
    return found;
}

/* Whether an attribute is text that ends with end. */
static int ends_with(PyObject *object, const char *name, const char *end)
{
    PyObject *text = PyObject_GetAttrString(object, name);
    PyObject *bytes = text != NULL ? wsgi_text_bytes(text) : NULL;
    const char *data = bytes != NULL ? PyBytes_AS_STRING(bytes) : "";
    size_t size = strlen(data), tail = strlen(end);
    int answer = size >= tail && strcmp(data + size - tail, end) == 0;

    Py_XDECREF(bytes);
    Py_XDECREF(text);
    return answer;
}

/* Whether the innermost function of a traceback is os.environ's lookup. */
static int is_of_environ(PyObject *traceback)
{
    PyObject *next, *code;
    int answer = 0;

    Py_INCREF(traceback);
    while ((next = PyObject_GetAttrString(traceback, "tb_next")) != NULL &&
           next != Py_None) {
        Py_DECREF(traceback);
        traceback = next;
    }
    Py_XDECREF(next);
    code = follow(follow(traceback, "tb_frame"), "f_code");
    if (code != NULL)
        answer = ends_with(code, "co_name", "__getitem__") &&
                 (ends_with(code, "co_filename", "/os.py") ||
                  ends_with(code, "co_filename", "<frozen os>") ||
                  ends_with(code, "co_filename", "/UserDict.py"));
    Py_XDECREF(code);
    return answer;
}

/* Stores the key of a KeyError that os.environ has raised. */
static void find_key(PyObject *error, PyObject *traceback, char *name,
                     size_t size)
{
    PyObject *args = NULL, *key = NULL, *bytes = NULL;

    if (traceback != NULL &&
        PyErr_GivenExceptionMatches(error, PyExc_KeyError) &&
        is_of_environ(traceback))
        args = PyObject_GetAttrString(error, "args");
    if (args != NULL)
        key = PySequence_GetItem(args, 0);
    if (key != NULL && WSGI_NATIVE_CHECK(key))
        bytes = wsgi_text_bytes(key);
    if (bytes != NULL)
        snprintf(name, size, "%s", PyBytes_AS_STRING(bytes));
    Py_XDECREF(bytes);
    Py_XDECREF(key);
    Py_XDECREF(args);
}

/* ---- What frameworks say ---------------------------------------------- */

static int is_of_name(char c)
{
    return isupper((unsigned char)c) || isdigit((unsigned char)c) || c == '_';
}

/* Stores the name that begins here, after blanks and quotes. */
static void take_name(const char *text, char *name, size_t size)
{
    size_t length = 0;

    text += strspn(text, " '\"`:");
    while (is_of_name(text[length]))
        length++;
    if (length > 1 && length < size)
        snprintf(name, size, "%.*s", (int)length, text);
}

/* Finds the name in messages such as Django's: "... the environment variable
   NAME ...", "Set the NAME environment variable". */
static void find_in_text(PyObject *error, char *name, size_t size)
{
    static const char phrase[] = "nvironment variable";
    PyObject *text = PyObject_Str(error);
    PyObject *bytes = text != NULL ? wsgi_text_bytes(text) : NULL;
    const char *begin = bytes != NULL ? PyBytes_AS_STRING(bytes) : "";
    const char *found = strstr(begin, phrase);

    if (found != NULL)
        take_name(found + sizeof phrase - 1, name, size);
    if (found != NULL && name[0] == '\0') {
        found -= found > begin;
        while (found > begin && strchr(" '\"`", found[-1]) != NULL)
            found--;
        while (found > begin && is_of_name(found[-1]))
            found--;
        take_name(found, name, size);
    }
    Py_XDECREF(bytes);
    Py_XDECREF(text);
}

/* ---- Packages --------------------------------------------------------- */

/* Whether the name is a module's of the standard library, which no other
   environment would have either. Older Pythons can't say. */
static int is_of_library(const char *name)
{
    PyObject *all = PySys_GetObject((char *)"stdlib_module_names");
    PyObject *text = all != NULL ? PyUnicode_FromString(name) : NULL;
    int answer = text != NULL && PySequence_Contains(all, text) == 1;

    Py_XDECREF(text);
    return answer;
}

/* Stores the package of "No module named 'package.module'", unless the package
   exists and only lacks the module. */
static void find_package(PyObject *error, char *package, size_t size)
{
    static const char phrase[] = "No module named ";
    PyObject *text = NULL, *bytes = NULL;
    const char *begin;

    if (PyErr_GivenExceptionMatches(error, PyExc_ImportError))
        text = PyObject_Str(error);
    if (text != NULL)
        bytes = wsgi_text_bytes(text);
    begin = bytes != NULL ? PyBytes_AS_STRING(bytes) : "";
    if (strncmp(begin, phrase, sizeof phrase - 1) == 0) {
        begin += sizeof phrase - 1;
        begin += strspn(begin, "'");
        snprintf(package, size, "%.*s", (int)strcspn(begin, "'.; "), begin);
    }
    if (PyMapping_HasKeyString(PyImport_GetModuleDict(), package) ||
        is_of_library(package))
        package[0] = '\0';
    Py_XDECREF(bytes);
    Py_XDECREF(text);
}

/* ---- Files ------------------------------------------------------------ */

/* Stores the name of a file that the server's user may not open. */
static void find_file(PyObject *error, char *file, size_t size)
{
    PyObject *number = NULL, *name = NULL, *bytes = NULL;

    if (PyErr_GivenExceptionMatches(error, PyExc_EnvironmentError))
        number = PyObject_GetAttrString(error, "errno");
    if (number != NULL && PyNumber_AsSsize_t(number, NULL) == EACCES)
        name = PyObject_GetAttrString(error, "filename");
    if (name != NULL && WSGI_NATIVE_CHECK(name))
        bytes = wsgi_path_bytes(name);
    if (bytes != NULL)
        snprintf(file, size, "%s", PyBytes_AS_STRING(bytes));
    Py_XDECREF(bytes);
    Py_XDECREF(name);
    Py_XDECREF(number);
}

/* ---- The exception ---------------------------------------------------- */

static int is_found(const wsgi_missing *missing)
{
    return missing->variable[0] != '\0' || missing->package[0] != '\0' ||
           missing->file[0] != '\0';
}

static void look_at(PyObject *error, PyObject *traceback, wsgi_missing *m)
{
    find_key(error, traceback, m->variable, sizeof m->variable);
    if (m->variable[0] == '\0')
        find_in_text(error, m->variable, sizeof m->variable);
    PyErr_Clear();
    find_package(error, m->package, sizeof m->package);
    PyErr_Clear();
    find_file(error, m->file, sizeof m->file);
}

void wsgi_missing_find(wsgi_missing *missing)
{
    PyObject *type, *error, *traceback, *each, *trace, *next;
    int most = 100; /* a chain of causes can be a circle */

    memset(missing, 0, sizeof *missing);
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    Py_XINCREF(error);
    for (each = error; each != NULL && !is_found(missing) && most > 0;
         most--) {
        trace = wsgi_error_traceback(each, each == error ? traceback : NULL);
        look_at(each, trace, missing);
        Py_XDECREF(trace);
        next = wsgi_error_origin(each);
        Py_DECREF(each);
        each = next;
        PyErr_Clear();
    }
    Py_XDECREF(each);
    PyErr_Restore(type, error, traceback);
}

/* ---- The lines -------------------------------------------------------- */

typedef struct search {
    const char *name;
    int found;
} search;

static void compare(void *arg, const char *name, const char *value)
{
    search *s = arg;

    (void)value;
    s->found |= strcasecmp(name, s->name) == 0;
}

static void tell_variable(const wsgi_request *request, const char *name)
{
    search s = {.name = name};

    if (request->recalled == NULL)
        wsgi_process_given.host->each_env(request->record, compare, &s);
    wsgi_log(request, WSGI_ERROR,
             "MW0315: os.environ has no %s%s; \"SetEnv mod_wsgi.environ.%s "
             "value\" puts it there before the application is loaded",
             name,
             s.found ? ": what SetEnv sets is in the environ of each request "
                       "only"
                     : "",
             name);
}

static int is_package(const char *directory)
{
    char file[WSGI_WALK_PATH + 16];

    snprintf(file, sizeof file, "%s/__init__.py", directory);
    return access(file, F_OK) == 0;
}

/* Whether one of the directories is the package itself, so that the one above
   it was meant. Stores that directory. A directory that only has the name,
   without __init__.py, may be a project that uses the package. */
static int find_inside(const char *all, const char *package, char *path,
                       size_t size)
{
    const char *slash;

    for (; all != NULL; all = strchr(all, ':'), all += all != NULL) {
        size_t length = strcspn(all, ":");

        while (length > 1 && all[length - 1] == '/')
            length--;
        snprintf(path, size, "%.*s", (int)length, all);
        slash = strrchr(path, '/');
        if (slash != NULL && strcmp(slash + 1, package) == 0 &&
            is_package(path))
            return 1;
    }
    return 0;
}

/* Logs that, if it is so. Returns whether it is. */
static int tell_inside(const wsgi_request *request,
                       const wsgi_settings *settings, const char *package)
{
    char path[WSGI_WALK_PATH];
    size_t above;

    if (!find_inside(settings->directory, package, path, sizeof path))
        return 0;
    above = (size_t)(strrchr(path, '/') - path);
    wsgi_log(request, WSGI_ERROR,
             "MW0316: there is no '%s', and mod_wsgi.directory '%s' looks "
             "like '%s' itself: set it to '%.*s'%s%s%s",
             package, path, package, above > 0 ? (int)above : 1, path,
             settings->application != NULL ? ", and begin "
                                             "mod_wsgi.application with '"
                                           : "",
             settings->application != NULL ? package : "",
             settings->application != NULL ? ".'" : "");
    return 1;
}

static void tell_package(const wsgi_request *request,
                         const wsgi_settings *settings,
                         const wsgi_interp *interp, const char *package)
{
    const char *what = "mod_wsgi.virtualenv", *root = interp->virtualenv;
    const char *own = settings->directory != NULL ? settings->directory
                                                  : "not set";

    if (tell_inside(request, settings, package))
        return;
    if (root == NULL) {
        what = WSGI_PYTHON_HOME;
        root = wsgi_virtualenv_of_process();
    }
    if (root == NULL)
        wsgi_log(request, WSGI_ERROR,
                 "MW0317: there is no '%s', and mod_wsgi.virtualenv is not "
                 "set: set it to the virtual environment (of Python %s) that "
                 "has '%s'; a module of your own is looked for in "
                 "mod_wsgi.directory (now %s)",
                 package, WSGI_PYTHON_SERIES, package, own);
    else
        wsgi_log(
            request, WSGI_ERROR,
            "MW0318: there is no '%s' in %s '%s' (Python %s): install a "
            "package that has it with \"%s/bin/python -m pip install\"; a "
            "module of your own is looked for in mod_wsgi.directory (now %s)",
            package, what, root, WSGI_PYTHON_SERIES, root, own);
}

static void tell_file(const wsgi_request *request, const char *file)
{
    char why[WSGI_STEPS_SIZE];

    if (wsgi_steps_explain(file, why, sizeof why))
        wsgi_log(request, WSGI_ERROR, "MW0319: '%s': %s", file, why);
}

void wsgi_missing_hint(const wsgi_request *request,
                       const wsgi_settings *settings,
                       const wsgi_interp *interp, const wsgi_missing *missing)
{
    if (missing->variable[0] != '\0')
        tell_variable(request, missing->variable);
    if (missing->package[0] != '\0')
        tell_package(request, settings, interp, missing->package);
    if (missing->file[0] != '\0')
        tell_file(request, missing->file);
}
