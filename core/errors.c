/*
 * errors.c - wsgi.errors, sys.stdout and sys.stderr: text for the error log.
 *
 * Whole lines go to the log of the virtual host whose request the text
 * belongs to. wsgi.errors belongs to its request; the two of sys belong to
 * whatever request their thread serves at the moment, and outside of any to
 * the main server.
 */
#include "core.h"

typedef struct errors {
    PyObject_HEAD
    wsgi_call *call;  /* NULL: one of sys */
    wsgi_buffer line; /* the beginning of an unfinished one; several threads
                         may write to a stream: see the critical sections */
    int softspace;    /* Python 2's print: a space is due */
} errors;

static const wsgi_request *request_of(const errors *self)
{
    return self->call != NULL ? self->call->request : wsgi_visit_request();
}

static void log_text(const wsgi_request *request, const char *text,
                     size_t size)
{
    if (!wsgi_stop_is_over())
        wsgi_log_line(request, WSGI_ERROR, text, size);
}

static void flush_line(errors *self, const wsgi_request *request)
{
    if (self->line.size > 0)
        log_text(request, self->line.data, self->line.size);
    self->line.size = 0;
}

/* Logs whole lines, keeps the rest. */
static int add_text(errors *self, const char *text, size_t size)
{
    const wsgi_request *request = request_of(self);
    const char *newline;

    while ((newline = memchr(text, '\n', size)) != NULL) {
        size_t part = (size_t)(newline - text);

        if (self->line.size == 0) {
            log_text(request, text, part);
        } else {
            if (wsgi_buffer_add(&self->line, text, part) < 0)
                return -1;
            flush_line(self, request);
        }
        text += part + 1;
        size -= part + 1;
    }
    return size > 0 ? wsgi_buffer_add(&self->line, text, size) : 0;
}

static int write_text(errors *self, PyObject *text)
{
    PyObject *bytes;
    int result;

    if (!wsgi_text_check(text)) {
        PyErr_Format(PyExc_TypeError, "write() takes str, not %.200s",
                     Py_TYPE(text)->tp_name);
        return -1;
    }
    bytes = wsgi_text_bytes(text);
    if (bytes == NULL)
        return -1;
    Py_BEGIN_CRITICAL_SECTION(self);
    result = add_text(self, PyBytes_AS_STRING(bytes),
                      (size_t)PyBytes_GET_SIZE(bytes));
    Py_END_CRITICAL_SECTION();
    if (result < 0)
        PyErr_NoMemory();
    Py_DECREF(bytes);
    return result;
}

/* Every method begins and ends a use of the request, if there is one. */
static int enter(errors *self)
{
    return self->call != NULL ? wsgi_call_enter(self->call, "wsgi.errors") : 0;
}

static PyObject *leave(errors *self, int result)
{
    if (self->call != NULL)
        wsgi_call_leave(self->call);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *errors_write(PyObject *object, PyObject *text)
{
    errors *self = (errors *)object;

    if (enter(self) < 0)
        return NULL;
    return leave(self, write_text(self, text));
}

static PyObject *errors_writelines(PyObject *object, PyObject *lines)
{
    errors *self = (errors *)object;
    PyObject *iterator, *line;
    int result = 0;

    if (enter(self) < 0)
        return NULL;
    iterator = PyObject_GetIter(lines);
    while (iterator != NULL && result == 0 &&
           (line = PyIter_Next(iterator)) != NULL) {
        result = write_text(self, line);
        Py_DECREF(line);
    }
    Py_XDECREF(iterator);
    return leave(self, PyErr_Occurred() ? -1 : 0);
}

static PyObject *errors_flush(PyObject *object, PyObject *unused)
{
    errors *self = (errors *)object;

    (void)unused;
    if (enter(self) < 0)
        return NULL;
    Py_BEGIN_CRITICAL_SECTION(self);
    flush_line(self, request_of(self));
    Py_END_CRITICAL_SECTION();
    return leave(self, 0);
}

static PyObject *errors_isatty(PyObject *object, PyObject *unused)
{
    (void)object;
    (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *get_encoding(PyObject *object, void *unused)
{
    (void)object;
    (void)unused;
    return wsgi_native("utf-8", 5);
}

static PyObject *get_closed(PyObject *object, void *unused)
{
    (void)object;
    (void)unused;
    Py_RETURN_FALSE;
}

/* A line that was begun and never ended. The request may be over, and another
   thread may be ending it: then the line belongs to no request. */
static void flush_rest(errors *self)
{
    if (self->call == NULL) {
        flush_line(self, wsgi_visit_request());
    } else if (wsgi_call_try_enter(self->call) == 0) {
        flush_line(self, self->call->request);
        wsgi_call_leave(self->call);
    } else {
        flush_line(self, NULL);
    }
}

static void errors_dealloc(PyObject *object)
{
    errors *self = (errors *)object;

    if (self->line.size > 0)
        flush_rest(self);
    free(self->line.data);
    Py_XDECREF(self->call);
    wsgi_type_free(object);
}

static PyMethodDef methods[] = {
    {"write", WSGI_METHOD(errors_write), METH_O,
     "write(text) - writes whole lines of text to the server's error log"},
    {"writelines", WSGI_METHOD(errors_writelines), METH_O,
     "writelines(texts) - writes each of them"},
    {"flush", WSGI_METHOD(errors_flush), METH_NOARGS,
     "flush() - writes an unfinished line too"},
    {"isatty", WSGI_METHOD(errors_isatty), METH_NOARGS, "isatty() - False"},
    {NULL, NULL, 0, NULL},
};

static PyObject *get_softspace(PyObject *object, void *unused)
{
    (void)unused;
    return PyBool_FromLong(((errors *)object)->softspace);
}

static int set_softspace(PyObject *object, PyObject *value, void *unused)
{
    int truth = value != NULL ? PyObject_IsTrue(value) : 0;

    (void)unused;
    if (truth >= 0)
        ((errors *)object)->softspace = truth;
    return truth < 0 ? -1 : 0;
}

static PyGetSetDef getset[] = {
    {.name = (char *)"encoding", .get = get_encoding},
    {.name = (char *)"closed", .get = get_closed},
    {.name = (char *)"softspace", .get = get_softspace, .set = set_softspace},
    {.name = NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, WSGI_SLOT(errors_dealloc)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mod_wsgi.Errors",
    .basicsize = sizeof(errors),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

PyTypeObject *wsgi_errors_type(void)
{
    return wsgi_type(&spec);
}

static PyObject *new_stream(PyTypeObject *type, wsgi_call *call)
{
    errors *self = (errors *)type->tp_alloc(type, 0);

    if (self != NULL) {
        Py_XINCREF(call);
        self->call = call;
    }
    return (PyObject *)self;
}

PyObject *wsgi_errors_new(wsgi_call *call)
{
    return new_stream(call->visit->slot->interp->errors_type, call);
}

int wsgi_errors_install(wsgi_interp *interp)
{
    static const char *const names[] = {"stdout", "__stdout__", "stderr",
                                        "__stderr__"};
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *stream = new_stream(interp->errors_type, NULL);
        int result = -1;

        if (stream != NULL)
            result = PySys_SetObject((char *)names[i], stream);
        Py_XDECREF(stream);
        if (result < 0)
            return -1;
    }
    return 0;
}

/* ---- Exceptions ------------------------------------------------------- */

static PyObject *format_exception(PyObject *type, PyObject *value,
                                  PyObject *traceback)
{
    PyObject *module = PyImport_ImportModule("traceback");
    PyObject *lines = NULL;

    if (module != NULL)
        lines = PyObject_CallMethod(
            module, (char *)"format_exception", (char *)"OOO", type,
            value ? value : Py_None, traceback ? traceback : Py_None);
    Py_XDECREF(module);
    return lines;
}

/* Logs text line by line, without its empty ones. */
static void log_lines(const wsgi_request *request, const char *text,
                      size_t size)
{
    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        size_t part = newline != NULL ? (size_t)(newline - text) : size;

        if (part > 0)
            wsgi_log_line(request, WSGI_ERROR, text, part);
        part += newline != NULL;
        text += part;
        size -= part;
    }
}

/* Logs a list of texts, each of one or more lines. */
static void log_texts(const wsgi_request *request, PyObject *texts)
{
    Py_ssize_t i, count = PySequence_Size(texts);

    for (i = 0; i < count; i++) {
        PyObject *text = PySequence_GetItem(texts, i);
        PyObject *bytes = text != NULL ? wsgi_text_bytes(text) : NULL;

        if (bytes != NULL)
            log_lines(request, PyBytes_AS_STRING(bytes),
                      (size_t)PyBytes_GET_SIZE(bytes));
        Py_XDECREF(bytes);
        Py_XDECREF(text);
    }
}

/* Whether an exception is an extension module's refusal to be loaded in more
   than one interpreter, or in one with a lock of its own. */
static int is_about_interpreters(PyObject *type, PyObject *value)
{
    static const char *const words[] = {"interpreter", "more than once"};
    PyObject *text = NULL, *bytes = NULL;
    size_t i;
    int answer = 0;

    if (PyErr_GivenExceptionMatches(type, PyExc_ImportError) && value != NULL)
        text = PyObject_Str(value);
    if (text != NULL)
        bytes = wsgi_text_bytes(text);
    for (i = 0; bytes != NULL && i < sizeof words / sizeof *words; i++)
        answer |= strstr(PyBytes_AS_STRING(bytes), words[i]) != NULL;
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(bytes);
    return answer;
}

void wsgi_errors_report(const wsgi_request *request, const char *what)
{
    PyObject *type, *value, *traceback, *texts;

    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return;
    PyErr_NormalizeException(&type, &value, &traceback);
    wsgi_log(request, WSGI_ERROR, "%s", what);
    texts = format_exception(type, value, traceback);
    if (texts != NULL)
        log_texts(request, texts);
    else
        wsgi_log(request, WSGI_ERROR, "(an exception without a traceback)");
    if (is_about_interpreters(type, value))
        wsgi_log(request, WSGI_ERROR,
                 "an extension module does not support this interpreter: set "
                 "mod_wsgi.interpreter to main_interpreter, and mod_wsgi.gil "
                 "to shared if it is own");
    Py_XDECREF(texts);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    PyErr_Clear();
}
