/*
 * streams.c - wsgi.errors, sys.stdout and sys.stderr: text for the error log.
 *
 * Whole lines go to the log of the virtual host of the request that the text
 * belongs to. wsgi.errors belongs to its request. What a thread writes to
 * sys.stdout and sys.stderr belongs to the request that it serves. Outside of
 * requests it goes to the main server's log. lines.c keeps unfinished lines.
 *
 * The types extend those of Python's io, which refuse what such a stream can't
 * do: reading, seeking, a descriptor. Each text stream has a stream of bytes
 * beneath, and both write to the same lines. No stream can be closed, for
 * others use it, too.
 */
#include "reports.h"

/* The struct of both types. */
typedef struct stream {
    WSGI_IO_HEAD
    wsgi_lease *lease; /* the request's; NULL: a stream of sys */
    const char *name;
    PyObject *binary; /* of a text stream: the one beneath, or NULL */
} stream;

/* ---- Writing ---------------------------------------------------------- */

/* Begins a use of the stream's request, if it has one, and finds out whose
   line is meant. Until leave, no other Python code may run, because the
   request's end waits for leave. */
static int enter(stream *self, wsgi_lines *lines)
{
    lines->stream = self->name;
    lines->thread = 0;
    if (self->lease == NULL) {
        if (wsgi_thread_lines(lines) == 0)
            return 0;
        PyErr_NoMemory();
        return -1;
    }
    if (wsgi_lease_enter(self->lease, "wsgi.errors") < 0)
        return -1;
    lines->first = &self->lease->lines;
    lines->thread = wsgi_thread_number();
    lines->request = self->lease->request;
    return 0;
}

static void leave(stream *self)
{
    if (self->lease != NULL)
        wsgi_lease_leave(self->lease);
}

static int add(PyObject *object, const char *text, size_t size)
{
    stream *self = (stream *)object;
    wsgi_lines lines;
    int result;

    if (enter(self, &lines) < 0)
        return -1;
    result = wsgi_lines_add(&lines, text, size);
    leave(self);
    if (result < 0)
        PyErr_NoMemory();
    return result;
}

static PyObject *text_write(PyObject *self, PyObject *text)
{
    PyObject *bytes;
    int result;

    if (!wsgi_text_check(text))
        return PyErr_Format(PyExc_TypeError, "write() takes str, not %.200s",
                            Py_TYPE(text)->tp_name);
    bytes = wsgi_text_bytes(text);
    if (bytes == NULL)
        return NULL;
    result =
        add(self, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return result == 0 ? wsgi_text_written(text) : NULL;
}

static PyObject *binary_write(PyObject *self, PyObject *bytes)
{
    Py_buffer view;
    Py_ssize_t size;
    int result;

    if (PyObject_GetBuffer(bytes, &view, PyBUF_SIMPLE) < 0)
        return NULL;
    size = view.len;
    result = add(self, view.buf, (size_t)size);
    PyBuffer_Release(&view);
    return result == 0 ? PyLong_FromSsize_t(size) : NULL;
}

static PyObject *stream_flush(PyObject *object, PyObject *unused)
{
    stream *self = (stream *)object;
    wsgi_lines lines;

    (void)unused;
    if (enter(self, &lines) < 0)
        return NULL;
    wsgi_lines_flush(&lines);
    leave(self);
    Py_RETURN_NONE;
}

/* Python also calls this when it collects a stream, maybe long after its
   request. That is not an error. */
static PyObject *stream_close(PyObject *self, PyObject *unused)
{
    PyObject *flushed = stream_flush(self, unused);

    if (flushed == NULL && PyErr_ExceptionMatches(PyExc_RuntimeError))
        PyErr_Clear();
    Py_XDECREF(flushed);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *stream_writable(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

/* ---- What a stream says of itself ------------------------------------- */

static PyObject *get_name(PyObject *self, void *unused)
{
    const char *name = ((stream *)self)->name;

    (void)unused;
    return wsgi_native(name, strlen(name));
}

/* A text that is the same for all streams. */
static PyObject *get_text(PyObject *self, void *text)
{
    (void)self;
    return wsgi_native(text, strlen(text));
}

static PyObject *get_true(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *get_false(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *get_self(PyObject *self, void *unused)
{
    (void)unused;
    Py_INCREF(self);
    return self;
}

static PyObject *get_softspace(PyObject *object, void *unused)
{
    stream *self = (stream *)object;
    wsgi_lines lines;
    int softspace;

    (void)unused;
    if (enter(self, &lines) < 0)
        return NULL;
    softspace = wsgi_lines_softspace(&lines);
    leave(self);
    return PyBool_FromLong(softspace); /* Python 2 wants an int */
}

static int set_softspace(PyObject *object, PyObject *value, void *unused)
{
    stream *self = (stream *)object;
    wsgi_lines lines;
    int softspace = value != NULL ? PyObject_IsTrue(value) : 0;
    int result;

    (void)unused;
    if (softspace < 0 || enter(self, &lines) < 0)
        return -1;
    result = wsgi_lines_set_softspace(&lines, softspace);
    leave(self);
    if (result < 0)
        PyErr_NoMemory();
    return result;
}

/* Checks the arguments and does nothing: the log is UTF-8, and gets whole
   lines. */
static PyObject *text_reconfigure(PyObject *self, PyObject *args,
                                  PyObject *keywords)
{
    static const char *const names[] = {"encoding",      "errors",
                                        "newline",       "line_buffering",
                                        "write_through", NULL};
    PyObject *ignored[5] = {NULL};
    PyObject *none = PyTuple_New(0);
    int fits = 0;

    (void)self;
    if (none != NULL && PyTuple_GET_SIZE(args) > 0)
        PyErr_SetString(PyExc_TypeError,
                        "reconfigure() takes keyword arguments only");
    else if (none != NULL)
        fits = PyArg_ParseTupleAndKeywords(
            none, keywords, "|OOOOO:reconfigure", (char **)(uintptr_t)names,
            &ignored[0], &ignored[1], &ignored[2], &ignored[3], &ignored[4]);
    Py_XDECREF(none);
    if (!fits)
        return NULL;
    Py_RETURN_NONE;
}

/* ---- The stream of bytes beneath -------------------------------------- */

static PyObject *new_stream(PyTypeObject *type, wsgi_lease *lease,
                            const char *name)
{
    stream *self = (stream *)type->tp_alloc(type, 0);

    if (self != NULL) {
        Py_XINCREF(lease);
        self->lease = lease;
        self->name = name;
    }
    return (PyObject *)self;
}

/* Only for wsgi.errors: the streams of sys get theirs when they are made. */
static PyObject *new_binary(stream *self)
{
    wsgi_lines lines;
    PyObject *binary;

    if (enter(self, &lines) < 0)
        return NULL;
    binary =
        new_stream(self->lease->interp->binary_type, self->lease, self->name);
    leave(self);
    return binary;
}

static PyObject *get_buffer(PyObject *object, void *unused)
{
    stream *self = (stream *)object;
    PyObject *binary;

    (void)unused;
    Py_BEGIN_CRITICAL_SECTION(object);
    if (self->binary == NULL)
        self->binary = new_binary(self);
    binary = self->binary;
    Py_XINCREF(binary);
    Py_END_CRITICAL_SECTION();
    return binary;
}

/* Like io.TextIOWrapper's, but the text stream stays usable. */
static PyObject *text_detach(PyObject *self, PyObject *unused)
{
    return get_buffer(self, unused);
}

/* ---- The types -------------------------------------------------------- */

static int stream_traverse(PyObject *object, visitproc visit, void *arg)
{
    stream *self = (stream *)object;

    WSGI_VISIT_TYPE(object);
    Py_VISIT(self->dict);
    Py_VISIT(self->binary);
    return 0;
}

static int stream_clear(PyObject *object)
{
    stream *self = (stream *)object;

    Py_CLEAR(self->dict);
    Py_CLEAR(self->binary);
    return 0;
}

static void stream_dealloc(PyObject *object)
{
    stream *self = (stream *)object;

    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL)
        PyObject_ClearWeakRefs(object);
    stream_clear(object);
    Py_XDECREF(self->lease);
    wsgi_type_free(object);
}

static PyObject *xreadlines(PyObject *self, PyObject *unused)
{
    return get_self(self, unused);
}

static PyMethodDef text_methods[] = {
    {"write", WSGI_METHOD(text_write), METH_O,
     "write(text) - writes whole lines of text to the server's error log"},
    {"flush", WSGI_METHOD(stream_flush), METH_NOARGS,
     "flush() - writes an unfinished line too"},
    {"close", WSGI_METHOD(stream_close), METH_NOARGS,
     "close() - the same; the stream stays open"},
    {"writable", WSGI_METHOD(stream_writable), METH_NOARGS,
     "writable() - True"},
    {"detach", WSGI_METHOD(text_detach), METH_NOARGS,
     "detach() - the stream of bytes beneath"},
    {"reconfigure", WSGI_METHOD(text_reconfigure),
     METH_VARARGS | METH_KEYWORDS,
     "reconfigure(**options) - has no effect: the log is UTF-8, in lines"},
    {WSGI_PYTHON_2_NAME("xreadlines"), WSGI_METHOD(xreadlines), METH_NOARGS,
     "xreadlines() - the stream, which can't be read"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef text_getset[] = {
    {.name = (char *)"name", .get = get_name},
    {.name = (char *)"mode", .get = get_text, .closure = (void *)"w"},
    {.name = (char *)"encoding", .get = get_text, .closure = (void *)"utf-8"},
    {.name = (char *)"errors",
     .get = get_text,
     .closure = (void *)WSGI_TEXT_ERRORS},
    {.name = (char *)"buffer", .get = get_buffer},
    {.name = (char *)"closed", .get = get_false},
    {.name = (char *)"line_buffering", .get = get_true},
    {.name = (char *)"write_through", .get = get_false},
    {.name = (char *)WSGI_PYTHON_2_NAME("softspace"),
     .get = get_softspace,
     .set = set_softspace},
    {.name = NULL},
};

static PyType_Slot text_slots[] = {
    {Py_tp_dealloc, WSGI_SLOT(stream_dealloc)},
    {Py_tp_traverse, WSGI_SLOT(stream_traverse)},
    {Py_tp_clear, WSGI_SLOT(stream_clear)},
    {Py_tp_methods, text_methods},
    {Py_tp_getset, text_getset},
    {0, NULL},
};

static PyType_Spec text_spec = {
    .name = "mod_wsgi.Errors",
    .basicsize = sizeof(stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = text_slots,
};

PyTypeObject *wsgi_streams_text_type(void)
{
    return wsgi_io_type(&text_spec, "TextIOBase");
}

static PyMethodDef binary_methods[] = {
    {"write", WSGI_METHOD(binary_write), METH_O,
     "write(bytes) - writes whole lines of them to the server's error log"},
    {"flush", WSGI_METHOD(stream_flush), METH_NOARGS,
     "flush() - writes an unfinished line too"},
    {"close", WSGI_METHOD(stream_close), METH_NOARGS,
     "close() - the same; the stream stays open"},
    {"writable", WSGI_METHOD(stream_writable), METH_NOARGS,
     "writable() - True"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef binary_getset[] = {
    {.name = (char *)"name", .get = get_name},
    {.name = (char *)"mode", .get = get_text, .closure = (void *)"wb"},
    {.name = (char *)"raw", .get = get_self}, /* it has no buffer */
    {.name = (char *)"closed", .get = get_false},
    {.name = NULL},
};

static PyType_Slot binary_slots[] = {
    {Py_tp_dealloc, WSGI_SLOT(stream_dealloc)},
    {Py_tp_traverse, WSGI_SLOT(stream_traverse)},
    {Py_tp_clear, WSGI_SLOT(stream_clear)},
    {Py_tp_methods, binary_methods},
    {Py_tp_getset, binary_getset},
    {0, NULL},
};

static PyType_Spec binary_spec = {
    .name = "mod_wsgi.ErrorsBuffer",
    .basicsize = sizeof(stream),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = binary_slots,
};

PyTypeObject *wsgi_streams_binary_type(void)
{
    return wsgi_io_type(&binary_spec, "BufferedIOBase");
}

int wsgi_streams_is_one(PyObject *object)
{
    return wsgi_io_destructor(Py_TYPE(object)) == stream_dealloc;
}

/* ---- Streams ---------------------------------------------------------- */

PyObject *wsgi_streams_errors(wsgi_lease *lease)
{
    return new_stream(lease->interp->text_type, lease, "<wsgi.errors>");
}

/* A stream for sys. */
static PyObject *new_sys_stream(const wsgi_interp *interp, const char *name)
{
    PyObject *text = new_stream(interp->text_type, NULL, name);
    PyObject *binary = new_stream(interp->binary_type, NULL, name);

    if (text != NULL && binary != NULL) {
        ((stream *)text)->binary = binary;
        return text;
    }
    Py_XDECREF(text);
    Py_XDECREF(binary);
    return NULL;
}

/* sys.__stderr__ stays Python's own file, because standard error is the
   server's log. Standard output is not, so sys.__stdout__ is ours. */
int wsgi_streams_install(wsgi_interp *interp)
{
    PyObject *output = new_sys_stream(interp, "<stdout>");
    PyObject *error = new_sys_stream(interp, "<stderr>");
    int result = -1;

    if (output != NULL && error != NULL &&
        PySys_SetObject((char *)"stdout", output) == 0 &&
        PySys_SetObject((char *)"__stdout__", output) == 0)
        result = PySys_SetObject((char *)"stderr", error);
    Py_XDECREF(output);
    Py_XDECREF(error);
    return result;
}

static void flush_sys(const char *name)
{
    PyObject *found = PySys_GetObject((char *)name);
    PyObject *result = NULL;

    if (found != NULL)
        result = PyObject_CallMethod(found, (char *)"flush", NULL);
    PyErr_Clear();
    Py_XDECREF(result);
}

void wsgi_streams_flush(void)
{
    flush_sys("stdout");
    flush_sys("stderr");
    PyErr_Clear();
}
