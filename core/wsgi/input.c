/*
 * input.c - wsgi.input: the body of the request as a stream of bytes.
 *
 * Reading is buffered, so that not every line costs a call to the server.
 * Large reads go straight into the object that is returned. The stream ends
 * where the body ends, whether the client announced its length or sent it in
 * chunks (PEP 3333, "Input and Error Streams").
 */
#include "wsgi.h"

#define BUFFER_SIZE 16384
#define MOST_ROOM (1 << 20) /* to begin a read with */

typedef struct input {
    PyObject_HEAD
    wsgi_call *call;
    char *buffer;      /* BUFFER_SIZE bytes, or NULL until needed */
    size_t begin, end; /* the part of it that was not read yet */
    int64_t left;      /* bytes the server still has; -1 unknown */
    int busy;          /* a read is under way */
} input;

static void fail(wsgi_call *call, int error)
{
    Py_BEGIN_CRITICAL_SECTION(call);
    call->read_error = error;
    wsgi_call_raise(&call->read_text, wsgi_body_explain(error));
    Py_END_CRITICAL_SECTION();
}

/* Reads from a body that was read beforehand. */
static int64_t receive_kept(input *self, char *to, size_t size)
{
    int64_t got;

    Py_BEGIN_ALLOW_THREADS
    got = wsgi_body_read(self->call->visit->kept, to, size);
    Py_END_ALLOW_THREADS
    if (got < 0)
        PyErr_SetFromErrno(PyExc_IOError);
    else
        self->left -= got;
    return got;
}

/* Reads the bytes that are there, at least one. Returns their number, 0 at the
   end. */
static int64_t receive(input *self, char *to, size_t size)
{
    wsgi_call *call = self->call;
    int64_t got = call->read_error;

    if (self->left == 0)
        return 0;
    if (call->visit->kept != NULL)
        return receive_kept(self, to, size);
    if (got == 0) {
        wsgi_call_lock_host(call);
        Py_BEGIN_ALLOW_THREADS
        got = wsgi_client_read(call->lease.request, to, size);
        Py_END_ALLOW_THREADS
        wsgi_call_unlock_host(call);
    }
    if (got < 0) {
        fail(call, (int)got);
    } else if (got == 0) {
        self->left = 0;
    } else if (self->left > 0) {
        self->left -= got;
    }
    return got;
}

/* Makes sure that the buffer has unread bytes. Returns 1, 0 at the end. */
static int fill(input *self)
{
    int64_t got;

    if (self->begin < self->end)
        return 1;
    if (self->left == 0)
        return 0;
    if (self->buffer == NULL &&
        (self->buffer = PyMem_Malloc(BUFFER_SIZE)) == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    got = receive(self, self->buffer, BUFFER_SIZE);
    self->begin = 0;
    self->end = got > 0 ? (size_t)got : 0;
    return got < 0 ? -1 : got > 0;
}

/* Moves unread bytes out of the buffer. */
static size_t drain(input *self, char *to, size_t size)
{
    size_t there = self->end - self->begin;

    if (size > there)
        size = there;
    if (size > 0)
        memcpy(to, self->buffer + self->begin, size);
    self->begin += size;
    return size;
}

/* How many bytes to allocate first for a read of at most size bytes. A client
   may announce more than it sends, so memory follows what has come. */
static size_t first_room(const input *self, size_t size)
{
    size_t room = BUFFER_SIZE;

    if (self->left >= 0)
        room = self->left < MOST_ROOM ? (size_t)self->left : MOST_ROOM;
    room += self->end - self->begin;
    return size < room ? size : room;
}

static int64_t receive_some(input *self, char *to, size_t size)
{
    int ready;

    if (size >= BUFFER_SIZE && self->begin == self->end)
        return receive(self, to, size);
    ready = fill(self);
    return ready <= 0 ? ready : (int64_t)drain(self, to, size);
}

/* The next size bytes, or what is left of the body if that is less. */
static PyObject *read_bytes(input *self, size_t size)
{
    size_t room = first_room(self, size), have = 0;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);

    while (bytes != NULL && have < size) {
        int64_t got;

        if (have == room) {
            if (self->left == 0 && self->begin == self->end)
                break;
            room = room > size / 2 ? size : room * 2;
            if (_PyBytes_Resize(&bytes, (Py_ssize_t)room) < 0)
                return NULL;
        }
        got = receive_some(self, PyBytes_AS_STRING(bytes) + have, room - have);
        if (got < 0)
            Py_CLEAR(bytes);
        if (got <= 0)
            break;
        have += (size_t)got;
    }
    if (bytes != NULL && have < room)
        _PyBytes_Resize(&bytes, (Py_ssize_t)have);
    return bytes;
}

/* What is there of the next size bytes, at least one unless the body ends. */
static PyObject *read_some(input *self, size_t size)
{
    size_t room = size < BUFFER_SIZE ? size : BUFFER_SIZE;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);
    int64_t got = 0;

    if (bytes != NULL && room > 0)
        got = receive_some(self, PyBytes_AS_STRING(bytes), room);
    if (got < 0)
        Py_CLEAR(bytes);
    if (bytes != NULL && (size_t)got < room)
        _PyBytes_Resize(&bytes, (Py_ssize_t)got);
    return bytes;
}

/* The next line, its end included, of at most size bytes. */
static PyObject *read_line(input *self, size_t size)
{
    wsgi_buffer line = {.data = NULL};
    PyObject *bytes = NULL;
    int ready = 1, ended = 0;

    while (!ended && line.size < size && (ready = fill(self)) > 0) {
        const char *from = self->buffer + self->begin;
        size_t there = self->end - self->begin;
        const char *newline;

        if (there > size - line.size)
            there = size - line.size;
        newline = memchr(from, '\n', there);
        if (newline != NULL)
            there = (size_t)(newline - from) + 1;
        ended = newline != NULL;
        self->begin += there;
        if (line.size == 0 && (ended || there == size))
            return PyBytes_FromStringAndSize(from, (Py_ssize_t)there);
        if (wsgi_buffer_add(&line, from, there) < 0) {
            PyErr_NoMemory();
            ready = -1;
            break;
        }
    }
    if (ready >= 0)
        bytes = PyBytes_FromStringAndSize(line.data, (Py_ssize_t)line.size);
    free(line.data);
    return bytes;
}

/* ---- What applications see -------------------------------------------- */

/* Every method begins and ends a use of the stream. */
static int enter(input *self)
{
    if (wsgi_call_enter_for_client(self->call, "wsgi.input") < 0)
        return -1;
    if (!wsgi_atomic_exchange(&self->busy, 1, WSGI_ACQUIRE))
        return 0;
    wsgi_lease_leave(&self->call->lease);
    PyErr_SetString(PyExc_RuntimeError,
                    "wsgi.input is being read by another thread");
    return -1;
}

static void leave(input *self)
{
    wsgi_atomic_store(&self->busy, 0, WSGI_RELEASE);
    wsgi_lease_leave(&self->call->lease);
}

/* The optional argument of read() and the like: a size. None or a negative
   number means all, and so does one that is too large for memory of 32 bits.
 */
static int take_size(PyObject *const *args, Py_ssize_t count, size_t *size)
{
    long long number = -1;
    PyObject *whole;

    *size = PY_SSIZE_T_MAX;
    if (count > 1) {
        PyErr_Format(PyExc_TypeError,
                     "at most one argument was expected, not %zd", count);
        return -1;
    }
    if (count == 0 || args[0] == Py_None)
        return 0;
    whole = PyNumber_Index(args[0]);
    if (whole != NULL)
        number = PyLong_AsLongLong(whole);
    Py_XDECREF(whole);
    if (number == -1 && PyErr_Occurred())
        return -1;
    if (number >= 0 && number < PY_SSIZE_T_MAX)
        *size = (size_t)number;
    return 0;
}

static PyObject *read_with(PyObject *object, PyObject *const *args,
                           Py_ssize_t count,
                           PyObject *(*reader)(input *, size_t))
{
    input *self = (input *)object;
    PyObject *bytes;
    size_t size;

    if (take_size(args, count, &size) < 0 || enter(self) < 0)
        return NULL;
    bytes = reader(self, size);
    leave(self);
    return bytes;
}

WSGI_FUNCTION(input_read)
{
    return read_with(self, args, count, read_bytes);
}

WSGI_FUNCTION(input_read1)
{
    return read_with(self, args, count, read_some);
}

/* As io.RawIOBase has it: reads the bytes that are there, at least one unless
   the body ends. */
static PyObject *input_readinto(PyObject *object, PyObject *buffer)
{
    input *self = (input *)object;
    Py_buffer view;
    int64_t got = -1;

    if (PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) < 0)
        return NULL;
    if (enter(self) == 0) {
        got = view.len > 0 ? receive_some(self, view.buf, (size_t)view.len)
                           : 0;
        leave(self);
    }
    PyBuffer_Release(&view);
    return got < 0 ? NULL : PyLong_FromLongLong(got);
}

WSGI_FUNCTION(input_readline)
{
    return read_with(self, args, count, read_line);
}

static PyObject *read_lines(input *self, size_t hint)
{
    PyObject *lines = PyList_New(0);
    size_t total = 0;

    while (lines != NULL && total < hint) {
        PyObject *line = read_line(self, PY_SSIZE_T_MAX);
        size_t size = line != NULL ? (size_t)PyBytes_GET_SIZE(line) : 0;

        if (line == NULL || (size > 0 && PyList_Append(lines, line) < 0))
            Py_CLEAR(lines);
        Py_XDECREF(line);
        if (size == 0)
            break;
        total += size;
    }
    return lines;
}

WSGI_FUNCTION(input_readlines)
{
    int is_zero = count == 1 ? PyObject_Not(args[0]) : 0;

    if (is_zero < 0)
        return NULL;
    if (is_zero) /* stands for no hint: io.IOBase.readlines */
        count = 0;
    return read_with(self, args, count, read_lines);
}

static PyObject *input_next(PyObject *self)
{
    PyObject *line = read_with(self, NULL, 0, read_line);

    if (line != NULL && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line);
    return line;
}

static PyObject *input_iter(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *say_true(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *say_false(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

/* A wrapper of the io module flushes and closes the stream that it wraps when
   it is deallocated. The body must stay readable for others. */
static PyObject *do_nothing(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

static PyObject *get_closed(PyObject *self, void *unused)
{
    return say_false(self, unused);
}

static void input_dealloc(PyObject *object)
{
    input *self = (input *)object;

    PyMem_Free(self->buffer);
    Py_XDECREF(self->call);
    wsgi_type_free(object);
}

static PyMethodDef methods[] = {
    {"read", WSGI_METHOD(input_read), WSGI_FAST,
     "read([size]) - the next size bytes of the body, or all that are left"},
    {"readline", WSGI_METHOD(input_readline), WSGI_FAST,
     "readline([size]) - the next line, of at most size bytes"},
    {"readlines", WSGI_METHOD(input_readlines), WSGI_FAST,
     "readlines([hint]) - lines, as many as it takes to have hint bytes"},
    {"read1", WSGI_METHOD(input_read1), WSGI_FAST,
     "read1([size]) - what is there of the next size bytes"},
    {"readinto", WSGI_METHOD(input_readinto), METH_O,
     "readinto(buffer) - puts there what is there; returns how many bytes"},
    {"readable", WSGI_METHOD(say_true), METH_NOARGS, "readable() - True"},
    {"writable", WSGI_METHOD(say_false), METH_NOARGS, "writable() - False"},
    {"seekable", WSGI_METHOD(say_false), METH_NOARGS, "seekable() - False"},
    {"flush", WSGI_METHOD(do_nothing), METH_NOARGS, "flush() - no effect"},
    {"close", WSGI_METHOD(do_nothing), METH_NOARGS,
     "close() - no effect: the body ends with its request"},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {.name = (char *)"closed", .get = get_closed},
    {.name = NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, WSGI_SLOT(input_dealloc)},
    {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_iter, WSGI_SLOT(input_iter)},
    {Py_tp_iternext, WSGI_SLOT(input_next)},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mod_wsgi.Input",
    .basicsize = sizeof(input),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

PyTypeObject *wsgi_input_type(void)
{
    return wsgi_type(&spec);
}

PyObject *wsgi_input_new(wsgi_call *call)
{
    PyTypeObject *type = call->visit->slot->interp->kit->input_type;
    input *self = (input *)type->tp_alloc(type, 0);

    if (self == NULL)
        return NULL;
    Py_INCREF(call);
    self->call = call;
    self->left = call->visit->kept != NULL ? call->visit->kept->size
                                           : call->lease.request->body_length;
    return (PyObject *)self;
}
