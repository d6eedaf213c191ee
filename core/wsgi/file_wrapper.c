/*
 * file_wrapper.c - wsgi.file_wrapper: a file as a response.
 *
 * An iterable that reads blocks from anything with read(). If the application
 * returns the wrapper itself, and the wrapper holds a plain file, the server
 * sends the file from its descriptor instead. A plain file is of a type that
 * reads the same bytes as its descriptor gives. A GzipFile has a descriptor,
 * too, but reads other bytes.
 */
#include <sys/stat.h>

#include "wsgi.h"

#define BLOCK_SIZE 8192

typedef struct file_wrapper {
    PyObject_HEAD
    PyObject *file;
    PyObject *block_size;
} file_wrapper;

static PyObject *wrapper_new(PyTypeObject *type, PyObject *args,
                             PyObject *keywords)
{
    PyObject *file;
    Py_ssize_t block_size = BLOCK_SIZE;
    file_wrapper *self;

    if (keywords != NULL && PyDict_Size(keywords) > 0) {
        PyErr_SetString(PyExc_TypeError,
                        "wsgi.file_wrapper takes no keyword arguments");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O|n:wsgi.file_wrapper", &file, &block_size))
        return NULL;
    self = (file_wrapper *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    Py_INCREF(file);
    self->file = file;
    self->block_size =
        wsgi_small_number((long)(block_size > 0 ? block_size : BLOCK_SIZE));
    if (self->block_size == NULL)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* For the garbage collector: the file may refer to its wrapper. */
static int wrapper_traverse(PyObject *object, visitproc visit, void *arg)
{
    file_wrapper *self = (file_wrapper *)object;

    WSGI_VISIT_TYPE(object);
    Py_VISIT(self->file);
    return 0;
}

/* None takes the file's place, because destructors that run afterwards may
   still use the wrapper. */
static int wrapper_clear(PyObject *object)
{
    file_wrapper *self = (file_wrapper *)object;
    PyObject *file = self->file;

    Py_INCREF(Py_None);
    self->file = Py_None;
    Py_XDECREF(file);
    return 0;
}

static void wrapper_dealloc(PyObject *object)
{
    file_wrapper *self = (file_wrapper *)object;

    PyObject_GC_UnTrack(object);
    Py_XDECREF(self->file);
    Py_XDECREF(self->block_size);
    wsgi_type_free(object);
}

static PyObject *wrapper_iter(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *wrapper_next(PyObject *object)
{
    file_wrapper *self = (file_wrapper *)object;
    PyObject *block = PyObject_CallMethod(self->file, (char *)"read",
                                          (char *)"O", self->block_size);

    if (block != NULL && PyObject_Not(block) != 0)
        Py_CLEAR(block); /* the end, or an exception that Not has set */
    return block;
}

/* The wrapper has the file's own close(), if the file has one (PEP 3333,
   "Optional Platform-Specific File Handling"). */
static PyObject *get_close(PyObject *object, void *unused)
{
    (void)unused;
    return PyObject_GetAttrString(((file_wrapper *)object)->file, "close");
}

static PyGetSetDef getset[] = {
    {.name = (char *)"close", .get = get_close},
    {.name = NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, WSGI_SLOT(wrapper_new)},
    {Py_tp_dealloc, WSGI_SLOT(wrapper_dealloc)},
    {Py_tp_traverse, WSGI_SLOT(wrapper_traverse)},
    {Py_tp_clear, WSGI_SLOT(wrapper_clear)},
    {Py_tp_getset, getset},
    {Py_tp_iter, WSGI_SLOT(wrapper_iter)},
    {Py_tp_iternext, WSGI_SLOT(wrapper_next)},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "mod_wsgi.FileWrapper",
    .basicsize = sizeof(file_wrapper),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

PyTypeObject *wsgi_file_wrapper_type(void)
{
    return wsgi_type(&spec);
}

/* ---- The short way ---------------------------------------------------- */

static int is_exactly(PyObject *file, PyObject *io, const char *name)
{
    PyObject *type = PyObject_GetAttrString(io, name);
    int answer = type == (PyObject *)Py_TYPE(file);

    PyErr_Clear();
    Py_XDECREF(type);
    return answer;
}

/* Whether reading the file and reading its descriptor give the same. */
static int is_plain(PyObject *file)
{
    PyObject *io = PyImport_ImportModule("io");
    int answer = 0;

    if (io != NULL && (is_exactly(file, io, "BufferedReader") ||
                       is_exactly(file, io, "BufferedRandom"))) {
        PyObject *raw = PyObject_GetAttrString(file, "raw");

        answer = raw != NULL && is_exactly(raw, io, "FileIO");
        Py_XDECREF(raw);
    } else if (io != NULL) {
        answer = is_exactly(file, io, "FileIO") || wsgi_is_file(file);
    }
    PyErr_Clear();
    Py_XDECREF(io);
    return answer;
}

/* file.method() as a number, or -1 with an exception set. */
static int64_t ask_number(PyObject *file, const char *method)
{
    PyObject *answer = PyObject_CallMethod(file, (char *)method, NULL);
    int64_t number = -1;

    if (answer != NULL)
        number = PyLong_AsLongLong(answer);
    Py_XDECREF(answer);
    return number;
}

int wsgi_file_wrapper_open(PyObject *wrapper, int *fd, int64_t *offset,
                           int64_t *size)
{
    PyObject *file = ((file_wrapper *)wrapper)->file, *flushed;
    struct stat info;

    if (!is_plain(file))
        return 0;
    flushed = PyObject_CallMethod(file, (char *)"flush", NULL);
    Py_XDECREF(flushed);
    *fd = flushed != NULL ? PyObject_AsFileDescriptor(file) : -1;
    *offset = *fd >= 0 ? ask_number(file, "tell") : -1;
    if (*offset < 0 || fstat(*fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        PyErr_Clear(); /* reading it will say what is wrong */
        return 0;
    }
    if (info.st_size == 0) /* files of /proc say 0, and have content */
        return 0;
    *size = info.st_size > *offset ? info.st_size - *offset : 0;
    return 1;
}
