/*
 * missing.c - what an application that does not load misses in os.environ.
 *
 * Variables that SetEnv sets are in the environ of a request, and many look
 * for them in os.environ. A line in the log tells how they get there.
 */
#include <ctype.h>
#include <strings.h>

#include "core.h"

/* ---- KeyError --------------------------------------------------------- */

/* object.name, or NULL. Drops the reference to object, which may be NULL. */
static PyObject *follow(PyObject *object, const char *name)
{
    PyObject *found = object != NULL ? PyObject_GetAttrString(object, name)
                                     : NULL;

    Py_XDECREF(object);
    return found;
}

/* Whether an attribute that is a text ends like this. */
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

/* Whether the innermost function of a traceback is that of os.environ. */
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

/* The key of a KeyError that os.environ has raised. */
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

/* Stores the name that begins here, behind a blank and perhaps a quote. */
static void take_name(const char *text, char *name, size_t size)
{
    size_t length = 0;

    text += strspn(text, " '\"`:");
    while (is_of_name(text[length]))
        length++;
    if (length > 1 && length < size)
        snprintf(name, size, "%.*s", (int)length, text);
}

/* "... the environment variable NAME ...", "Set the NAME environment
   variable": Django and its like. */
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

/* ---- The exception ---------------------------------------------------- */

void wsgi_missing_find(char *name, size_t size)
{
    PyObject *type, *error, *traceback, *each, *trace, *next;
    int most = 100; /* a history can be made a circle */

    name[0] = '\0';
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    Py_XINCREF(error);
    for (each = error; each != NULL && name[0] == '\0' && most > 0; most--) {
        trace = wsgi_error_traceback(each, each == error ? traceback : NULL);
        find_key(each, trace, name, size);
        if (name[0] == '\0')
            find_in_text(each, name, size);
        Py_XDECREF(trace);
        next = wsgi_error_origin(each);
        Py_DECREF(each);
        each = next;
        PyErr_Clear();
    }
    Py_XDECREF(each);
    PyErr_Restore(type, error, traceback);
}

/* ---- The line --------------------------------------------------------- */

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

void wsgi_missing_hint(const wsgi_request *request, const char *name)
{
    search s = {.name = name};

    wsgi_runtime_process.host->each_env(request->record, compare, &s);
    wsgi_log(request, WSGI_ERROR,
             "os.environ has no %s%s; \"SetEnv mod_wsgi.environ.%s value\" "
             "puts it there before the application is loaded",
             name,
             s.found ? ": what SetEnv sets is in the environ of each request "
                       "only"
                     : "",
             name);
}
