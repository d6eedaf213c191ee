/*
 * binding.c - finds the interpreter that has an extension module which can be
 * in only one.
 *
 * Python does not say which one has it. So when an import has failed with such
 * a message, the other interpreters are searched for the module that was being
 * imported.
 */
#include "reports.h"

#define MOST_NAMES 64

typedef struct search {
    const PyInterpreterState *asking;
    char *names[MOST_NAMES]; /* what the module may be called, the likeliest
                                first */
    int count;
    int best; /* index of the first name that another interpreter has, or -1 */
    const wsgi_interp *owner; /* that interpreter */
} search;

/* ---- What was being imported ------------------------------------------ */

/* Adds a name, unless this interpreter has a module of that name. */
static void add_name(search *s, const char *package, const char *name)
{
    char full[512];

    snprintf(full, sizeof full, "%s%s%s", package,
             package[0] != '\0' ? "." : "", name);
    if (s->count < MOST_NAMES && name[0] != '\0' &&
        !PyMapping_HasKeyString(PyImport_GetModuleDict(), full) &&
        (s->names[s->count] = strdup(full)) != NULL)
        s->count++;
}

/* object.name as bytes, or NULL. */
static PyObject *text_of(PyObject *object, const char *name)
{
    PyObject *text = PyObject_GetAttrString(object, name);
    PyObject *bytes = NULL;

    if (text != NULL && WSGI_NATIVE_CHECK(text))
        bytes = wsgi_text_bytes(text);
    PyErr_Clear();
    Py_XDECREF(text);
    return bytes;
}

/* Stores globals[name] as text, or "". */
static void copy_global(PyObject *globals, const char *name, char *text,
                        size_t size)
{
    PyObject *value = PyMapping_GetItemString(globals, (char *)name);
    PyObject *bytes = NULL;

    text[0] = '\0';
    if (value != NULL && WSGI_NATIVE_CHECK(value))
        bytes = wsgi_text_bytes(value);
    if (bytes != NULL)
        snprintf(text, size, "%s", PyBytes_AS_STRING(bytes));
    PyErr_Clear();
    Py_XDECREF(bytes);
    Py_XDECREF(value);
}

/* Adds the names that code uses, in their order. Each may be a module, one of
   this package, or one of the package whose name comes before. */
static void add_names_of(search *s, PyObject *code, const char *package)
{
    PyObject *names = PyObject_GetAttrString(code, "co_names");
    Py_ssize_t i, count = names != NULL ? PySequence_Size(names) : 0;
    PyObject *before = NULL;

    for (i = 0; i < count; i++) {
        PyObject *item = PySequence_GetItem(names, i);
        PyObject *bytes = item != NULL ? wsgi_text_bytes(item) : NULL;

        if (bytes != NULL) {
            add_name(s, "", PyBytes_AS_STRING(bytes));
            if (package[0] != '\0')
                add_name(s, package, PyBytes_AS_STRING(bytes));
            if (before != NULL)
                add_name(s, PyBytes_AS_STRING(before),
                         PyBytes_AS_STRING(bytes));
        }
        Py_XDECREF(item);
        Py_XDECREF(before);
        before = bytes;
    }
    PyErr_Clear();
    Py_XDECREF(before);
    Py_XDECREF(names);
}

/* Adds the names in the code of a traceback's frame, then the frame's module.
 */
static void add_frame(search *s, PyObject *traceback)
{
    PyObject *frame = PyObject_GetAttrString(traceback, "tb_frame");
    PyObject *code = NULL, *globals = NULL;
    char package[256], name[256];

    if (frame != NULL) {
        code = PyObject_GetAttrString(frame, "f_code");
        globals = PyObject_GetAttrString(frame, "f_globals");
    }
    if (code != NULL && globals != NULL) {
        copy_global(globals, "__package__", package, sizeof package);
        copy_global(globals, "__name__", name, sizeof name);
        add_names_of(s, code, package);
        add_name(s, "", name);
    }
    PyErr_Clear();
    Py_XDECREF(globals);
    Py_XDECREF(code);
    Py_XDECREF(frame);
}

/* A list of the parts of a traceback, the outermost first. */
static PyObject *parts_of(PyObject *traceback)
{
    PyObject *all = PyList_New(0), *next;

    Py_XINCREF(traceback);
    while (all != NULL && traceback != NULL && traceback != Py_None &&
           PyList_Append(all, traceback) == 0) {
        next = PyObject_GetAttrString(traceback, "tb_next");
        Py_DECREF(traceback);
        traceback = next;
    }
    PyErr_Clear();
    Py_XDECREF(traceback);
    return all;
}

/* The module that was imported last is the likeliest. Python 2 does not say
   which import failed, but the code around it has the name. */
static void collect(search *s, PyObject *error, PyObject *traceback)
{
    PyObject *bytes = text_of(error, "name");
    PyObject *parts = parts_of(traceback);
    Py_ssize_t i = parts != NULL ? PyList_GET_SIZE(parts) : 0;

    if (bytes != NULL)
        add_name(s, "", PyBytes_AS_STRING(bytes));
    while (--i >= 0)
        add_frame(s, PyList_GET_ITEM(parts, i));
    Py_XDECREF(parts);
    Py_XDECREF(bytes);
}

/* ---- Who has it ------------------------------------------------------- */

/* Called in each interpreter, with its lock held. */
static void look(const wsgi_interp *interp, void *arg)
{
    search *s = arg;
    int i, most = s->best >= 0 ? s->best : s->count;

    if (interp->state == s->asking)
        return;
    for (i = 0; i < most; i++)
        if (PyMapping_HasKeyString(PyImport_GetModuleDict(), s->names[i])) {
            s->best = i;
            s->owner = interp;
            return;
        }
}

static void find_owner(search *s)
{
    s->asking = PyThreadState_GetInterpreter(PyThreadState_Get());
    s->best = -1;
    if (s->count == 0)
        return;
    Py_BEGIN_ALLOW_THREADS
    wsgi_interp_visit_all(look, s);
    Py_END_ALLOW_THREADS
}

/* ---- The line --------------------------------------------------------- */

/* Whether a message is Python's import system's or the linker's. Those contain
   names of modules and files, whose words mean nothing here. */
static int is_about_names(const char *text)
{
    static const char *const begins[] = {"No module named",
                                         "cannot import name", "/"};
    size_t i;

    for (i = 0; i < sizeof begins / sizeof *begins; i++)
        if (strncmp(text, begins[i], strlen(begins[i])) == 0)
            return 1;
    return 0;
}

static int has_the_words(const char *text)
{
    return strstr(text, "interpreter") != NULL ||
           strstr(text, "more than once") != NULL;
}

/* Whether an exception says that an extension module can't be loaded in more
   than one interpreter, or in one with a lock of its own. */
static int is_about_interpreters(PyObject *type, PyObject *error)
{
    PyObject *text = NULL, *bytes = NULL;
    int answer = 0;

    if (PyErr_GivenExceptionMatches(type, PyExc_ImportError) && error != NULL)
        text = PyObject_Str(error);
    if (text != NULL)
        bytes = wsgi_text_bytes(text);
    if (bytes != NULL)
        answer = has_the_words(PyBytes_AS_STRING(bytes)) &&
                 !is_about_names(PyBytes_AS_STRING(bytes));
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(bytes);
    return answer;
}

static void tell(const wsgi_request *request, const search *s)
{
    if (s->best >= 0)
        wsgi_log(request, WSGI_ERROR,
                 "MW0320: '%s' can be in only one interpreter of a process, "
                 "and the interpreter '%s' has it: set mod_wsgi.interpreter "
                 "to main_interpreter (and mod_wsgi.gil to shared) for all "
                 "applications that use it",
                 s->names[s->best], s->owner->shown);
    else if (s->asking == wsgi_interp_main())
        wsgi_log(request, WSGI_ERROR,
                 "MW0321: an extension module can be in only one interpreter "
                 "of a process, and another one had it before: set "
                 "mod_wsgi.interpreter to main_interpreter for all "
                 "applications that use it, and restart the server");
    else
        wsgi_log(request, WSGI_ERROR,
                 "MW0322: an extension module does not support this "
                 "interpreter: set mod_wsgi.interpreter to main_interpreter, "
                 "and mod_wsgi.gil to shared if it is own");
}

void wsgi_binding_hint(const wsgi_request *request, PyObject *type,
                       PyObject *error, PyObject *traceback)
{
    search s = {.best = -1};

    if (!is_about_interpreters(type, error))
        return;
    collect(&s, error, traceback);
    find_owner(&s);
    tell(request, &s);
    while (s.count > 0)
        free(s.names[--s.count]);
}
