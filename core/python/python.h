/*
 * python.h - every difference between the Pythons, 2.6 to 3.15.
 *
 * Only this file looks at PY_VERSION_HEX. The rest of the core is written
 * once: with Python 3's names where both have them, and with the names defined
 * here where they differ. A "native string" is PEP 3333's: a str, which holds
 * bytes on Python 2 and code points U+0000 to U+00FF on Python 3.
 */
#ifndef WSGI_PYTHON_H
#define WSGI_PYTHON_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <pythread.h>

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The python command that this build is for: Python finds its library by it,
   and it becomes sys.executable. The build sets it. */
#ifndef WSGI_PYTHON_EXECUTABLE
#define WSGI_PYTHON_EXECUTABLE ""
#endif

/* The module's own version. The build takes it from the file VERSION. */
#ifndef WSGI_VERSION
#define WSGI_VERSION "unknown"
#endif

/* "3.11", and "python3.11": the name of the library's directory and of the
   command. */
#define WSGI_NUMBER_TEXT(n) #n
#define WSGI_SERIES_TEXT(major, minor)                                        \
    WSGI_NUMBER_TEXT(major) "." WSGI_NUMBER_TEXT(minor)
#ifdef Py_GIL_DISABLED
#define WSGI_PYTHON_SERIES                                                    \
    WSGI_SERIES_TEXT(PY_MAJOR_VERSION, PY_MINOR_VERSION) "t"
#else
#define WSGI_PYTHON_SERIES WSGI_SERIES_TEXT(PY_MAJOR_VERSION, PY_MINOR_VERSION)
#endif
#define WSGI_PYTHON_NAME "python" WSGI_PYTHON_SERIES

/* ---- Strings ------------------------------------------------------------ */

#if PY_VERSION_HEX >= 0x03000000

/* The names of modules: builtin functions, threads, exceptions, and the module
   in C that handles signals. */
#define WSGI_BUILTINS "builtins"
#define WSGI_THREAD "_thread"
#define WSGI_ENVIRON_DATA "_data" /* the dict of bytes behind os.environ */
#define WSGI_EXCEPTIONS "builtins"
#define WSGI_SIGNAL_MODULE "_signal"
#define WSGI_NATIVE_CHECK(o) PyUnicode_Check(o)
#define WSGI_CLASS_CHECK(o) PyType_Check(o)
#define wsgi_native_intern(p) PyUnicode_InternInPlace(p)

static inline PyObject *wsgi_native(const char *data, size_t size)
{
    return PyUnicode_DecodeLatin1(data, (Py_ssize_t)size, NULL);
}

/* A copy of a native string of a subclass, of exactly the type str. */
static inline PyObject *wsgi_native_copy(PyObject *text)
{
    return PyUnicode_FromObject(text);
}

/* The bytes of a native string, or NULL with an exception set. They end with a
   NUL and live as long as the string. */
static inline const char *wsgi_native_data(PyObject *text, size_t *size)
{
    *size = 0;
#if PY_VERSION_HEX < 0x030C0000
    if (PyUnicode_READY(text) < 0)
        return NULL;
#endif
    if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        PyObject *plain = wsgi_native_copy(text);

        if (plain != NULL)
            PyErr_Format(PyExc_ValueError,
                         "%R has characters outside of ISO-8859-1", plain);
        Py_XDECREF(plain);
        return NULL;
    }
    *size = (size_t)PyUnicode_GET_LENGTH(text);
    return (const char *)PyUnicode_1BYTE_DATA(text);
}

/* A file's path as str. */
static inline PyObject *wsgi_path(const char *path)
{
    return PyUnicode_DecodeFSDefault(path);
}

/* A path that is str as new bytes. */
static inline PyObject *wsgi_path_bytes(PyObject *path)
{
    return PyUnicode_EncodeFSDefault(path);
}

/* Text for the log is encoded as UTF-8. This is for what can't be encoded. */
#define WSGI_TEXT_ERRORS "backslashreplace"

/* Text as new bytes in UTF-8. Any other object raises TypeError. */
static inline PyObject *wsgi_text_bytes(PyObject *text)
{
    return PyUnicode_AsEncodedString(text, "utf-8", WSGI_TEXT_ERRORS);
}

/* The result of a stream's write(text). */
static inline PyObject *wsgi_text_written(PyObject *text)
{
    return PyLong_FromSsize_t(PyUnicode_GetLength(text));
}

/* The name of a method or attribute that only Python 2's files have. In Python
   3 it is NULL, and so it ends its table. */
#define WSGI_PYTHON_2_NAME(name) NULL

#else

#define WSGI_BUILTINS "__builtin__"
#define WSGI_THREAD "thread"
#define WSGI_ENVIRON_DATA "data"
#define WSGI_EXCEPTIONS "exceptions"
#define WSGI_SIGNAL_MODULE "signal"
#define WSGI_NATIVE_CHECK(o) PyString_Check(o)
#define WSGI_CLASS_CHECK(o) (PyType_Check(o) || PyClass_Check(o))
#define wsgi_native_intern(p) PyString_InternInPlace(p)

static inline PyObject *wsgi_native(const char *data, size_t size)
{
    return PyString_FromStringAndSize(data, (Py_ssize_t)size);
}

static inline PyObject *wsgi_native_copy(PyObject *text)
{
    return wsgi_native(PyString_AS_STRING(text),
                       (size_t)PyString_GET_SIZE(text));
}

static inline const char *wsgi_native_data(PyObject *text, size_t *size)
{
    *size = (size_t)PyString_GET_SIZE(text);
    return PyString_AS_STRING(text);
}

static inline PyObject *wsgi_path(const char *path)
{
    return PyString_FromString(path);
}

static inline PyObject *wsgi_path_bytes(PyObject *path)
{
    return PyString_FromStringAndSize(PyString_AS_STRING(path),
                                      PyString_GET_SIZE(path));
}

#define WSGI_TEXT_ERRORS "replace"

static inline PyObject *wsgi_text_bytes(PyObject *text)
{
    if (PyUnicode_Check(text))
        return PyUnicode_AsEncodedString(text, "utf-8", WSGI_TEXT_ERRORS);
    if (!PyString_Check(text)) {
        PyErr_Format(PyExc_TypeError, "text was expected, not %.200s",
                     Py_TYPE(text)->tp_name);
        return NULL;
    }
    Py_INCREF(text);
    return text;
}

static inline PyObject *wsgi_text_written(PyObject *text)
{
    (void)text;
    Py_RETURN_NONE;
}

#define WSGI_PYTHON_2_NAME(name) (name)

#endif

/* An interned native string, for a name that is used often. */
static inline PyObject *wsgi_native_name(const char *text)
{
    PyObject *name = wsgi_native(text, strlen(text));

    if (name != NULL)
        wsgi_native_intern(&name);
    return name;
}

/* A native string, or a pair of them, copied into Python's own types. Showing
   the copy runs no code of an application. */
static inline PyObject *wsgi_plain(PyObject *object)
{
    PyObject *name, *value, *pair = NULL;

    if (WSGI_NATIVE_CHECK(object))
        return wsgi_native_copy(object);
    name = wsgi_native_copy(PyTuple_GET_ITEM(object, 0));
    value = wsgi_native_copy(PyTuple_GET_ITEM(object, 1));
    if (name != NULL && value != NULL)
        pair = PyTuple_Pack(2, name, value);
    Py_XDECREF(name);
    Py_XDECREF(value);
    return pair;
}

/* Raises ValueError with the problem and the object, which is a native string
   or a pair of them. Returns -1. */
static inline int wsgi_refuse(const char *problem, PyObject *object)
{
    PyObject *plain = wsgi_plain(object);
#if PY_VERSION_HEX >= 0x03000000
    if (plain != NULL)
        PyErr_Format(PyExc_ValueError, "%s: %R", problem, plain);
#else
    PyObject *shown = plain != NULL ? PyObject_Repr(plain) : NULL;

    if (shown != NULL)
        PyErr_Format(PyExc_ValueError, "%s: %.400s", problem,
                     PyString_AS_STRING(shown));
    Py_XDECREF(shown);
#endif
    Py_XDECREF(plain);
    return -1;
}

/* The exception that another one was raised from, or that was being handled
   then: a new reference, or NULL. Python 2 does not record it. */
static inline PyObject *wsgi_error_origin(PyObject *error)
{
#if PY_VERSION_HEX >= 0x03000000
    PyObject *origin = PyException_GetCause(error);

    return origin != NULL ? origin : PyException_GetContext(error);
#else
    (void)error;
    return NULL;
#endif
}

/* The traceback of an exception: a new reference, or NULL. fetched is the one
   from PyErr_Fetch, or NULL. */
static inline PyObject *wsgi_error_traceback(PyObject *error,
                                             PyObject *fetched)
{
    Py_XINCREF(fetched);
#if PY_VERSION_HEX >= 0x03000000
    if (fetched == NULL)
        fetched = PyException_GetTraceback(error);
#else
    (void)error;
#endif
    return fetched;
}

/*
 * Whether the exception that is set, or one that led to it, has this text
 * object as its first argument. Frameworks often raise an exception of their
 * own while they handle another. Python 2 does not record that, so every
 * exception counts there.
 */
static inline int wsgi_error_comes_from(const PyObject *text)
{
#if PY_VERSION_HEX >= 0x03000000
    PyObject *type, *error, *traceback, *each, *next;
    int found = 0, most = 100; /* a chain of causes can be a circle */

    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    Py_XINCREF(error);
    for (each = error; each != NULL && !found && most > 0; most--) {
        PyObject *args = ((PyBaseExceptionObject *)each)->args;

        found = args != NULL && PyTuple_GET_SIZE(args) > 0 &&
                PyTuple_GET_ITEM(args, 0) == text;
        next = wsgi_error_origin(each);
        Py_DECREF(each);
        each = next;
    }
    Py_XDECREF(each);
    PyErr_Restore(type, error, traceback);
    return found;
#else
    (void)text;
    return 1;
#endif
}

/* Whether an object is a file of Python 2's type file. */
static inline int wsgi_is_file(PyObject *object)
{
#if PY_VERSION_HEX >= 0x03000000
    (void)object;
    return 0;
#else
    return PyFile_CheckExact(object);
#endif
}

/* Whether a text stream accepts an object: str, and on Python 2 unicode, too.
 */
static inline int wsgi_text_check(PyObject *text)
{
    return PyUnicode_Check(text) || WSGI_NATIVE_CHECK(text);
}

/* ---- Imports ------------------------------------------------------------ */

/* Whether the import system is Python code, with the class FileLoader. */
#define WSGI_HAS_IMPORTLIB (PY_VERSION_HEX >= 0x03000000)

/* ---- Programs ----------------------------------------------------------- */

/* Whether subprocess starts programs by vfork(). */
#define WSGI_HAS_VFORK (PY_VERSION_HEX >= 0x030A0000)

/*
 * The arguments of _posixsubprocess.fork_exec, changed so that it uses fork().
 * From 3.11 on the last argument says so. 3.10 uses fork() if it is to set the
 * group, so it is told to set the group that the process has. A new reference,
 * or NULL with an exception set.
 */
static inline PyObject *wsgi_without_vfork(PyObject *args)
{
#if PY_VERSION_HEX >= 0x030B0000
    Py_ssize_t place = PyTuple_GET_SIZE(args) - 1;
    PyObject *wanted = PyBool_FromLong(0), *given = Py_True;
#else
    Py_ssize_t place = PyTuple_GET_SIZE(args) > 16 ? 16 : -1;
    PyObject *wanted = PyLong_FromLong((long)getegid()), *given = Py_None;
#endif
    PyObject *all = PySequence_List(args), *changed = NULL;

    if (all != NULL && wanted != NULL &&
        (place < 0 || PyList_GET_ITEM(all, place) != given ||
         PySequence_SetItem(all, place, wanted) == 0))
        changed = PyList_AsTuple(all);
    Py_XDECREF(wanted);
    Py_XDECREF(all);
    return changed;
}

#if PY_VERSION_HEX >= 0x03000000

/* The name of os.popen in Pythons where that is the C library's. */
#define WSGI_OLD_POPEN "no popen"

static inline PyObject *wsgi_file(FILE *file, const char *name,
                                  const char *mode, int buffering,
                                  int (*end)(FILE *))
{
    (void)file, (void)name, (void)mode, (void)buffering, (void)end;
    return PyErr_Format(PyExc_NotImplementedError, "no such files");
}

/* The argument of os.system as bytes, or NULL with an exception set. */
static inline PyObject *wsgi_parse_command(PyObject *args, PyObject *keywords)
{
    static char name[] = "command";
    static char *names[] = {name, NULL};
    PyObject *command = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, keywords, "O&:system", names,
                                     PyUnicode_FSConverter, &command))
        return NULL;
#if PY_VERSION_HEX >= 0x03080000
    if (PySys_Audit("os.system", "O", command) < 0)
        Py_CLEAR(command);
#endif
    return command;
}

#else

#define WSGI_OLD_POPEN "popen"

/* A file object that calls end when it is closed. */
static inline PyObject *wsgi_file(FILE *file, const char *name,
                                  const char *mode, int buffering,
                                  int (*end)(FILE *))
{
    PyObject *object = PyFile_FromFile(file, (char *)name, (char *)mode, end);

    if (object != NULL)
        PyFile_SetBufSize(object, buffering);
    return object;
}

static inline PyObject *wsgi_parse_command(PyObject *args, PyObject *keywords)
{
    const char *command;

    (void)keywords;
    return PyArg_ParseTuple(args, "s:system", &command)
               ? PyString_FromString(command)
               : NULL;
}

#endif

/* ---- Functions and types ------------------------------------------------ */

/*
 * Defines a function that takes positional arguments in an array. Before 3.7
 * Python passes a tuple, and the array is the tuple's.
 */
#if PY_VERSION_HEX >= 0x03070000
#define WSGI_FAST METH_FASTCALL
#define WSGI_FUNCTION(name)                                                   \
    static PyObject *name(PyObject *self, PyObject *const *args,              \
                          Py_ssize_t count)
#else
#define WSGI_FAST METH_VARARGS
#define WSGI_FUNCTION(name)                                                   \
    static PyObject *name##_array(PyObject *, PyObject *const *, Py_ssize_t); \
    static PyObject *name(PyObject *self, PyObject *tuple)                    \
    {                                                                         \
        return name##_array(self, ((PyTupleObject *)tuple)->ob_item,          \
                            PyTuple_GET_SIZE(tuple));                         \
    }                                                                         \
    static PyObject *name##_array(PyObject *self, PyObject *const *args,      \
                                  Py_ssize_t count)
#endif

/* Casts a function for a PyMethodDef, whatever its arguments are. */
#define WSGI_METHOD(function) ((PyCFunction)(void (*)(void))(function))

/*
 * Between these two, only one thread of an interpreter works on an object,
 * except while Python waits. In Pythons with a lock, that lock is enough and
 * these are empty. They are public since 3.13, and do something in
 * free-threaded builds.
 */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(op) {
#define Py_END_CRITICAL_SECTION() }
#define Py_BEGIN_CRITICAL_SECTION2(a, b) {
#define Py_END_CRITICAL_SECTION2() }
#endif

#if defined(Py_GIL_DISABLED) && defined(__SANITIZE_THREAD__)
#include "tsan.h"
#else
#define WSGI_REUSES_MEMORY 1
#endif

/* dict[name]: a new reference, or NULL if there is none. Sets no exception. */
static inline PyObject *wsgi_dict_get(PyObject *dict, const char *name)
{
    PyObject *found;

    Py_BEGIN_CRITICAL_SECTION(dict);
    found = PyDict_GetItemString(dict, name);
    Py_XINCREF(found);
    Py_END_CRITICAL_SECTION();
    return found;
}

/* func(first, second), by the fastest call that this Python has. */
static inline PyObject *wsgi_call_two(PyObject *func, PyObject *first,
                                      PyObject *second)
{
#if PY_VERSION_HEX >= 0x03090000
    PyObject *args[3] = {NULL, first, second};

    return PyObject_Vectorcall(func, args + 1,
                               2 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
#else
    return PyObject_CallFunctionObjArgs(func, first, second, NULL);
#endif
}

#if PY_VERSION_HEX < 0x03000000
/* As much of Python 3's description of a type as our types need. */
typedef struct {
    int slot;
    void *pfunc;
} PyType_Slot;

typedef struct {
    const char *name;
    int basicsize;
    int itemsize;
    unsigned int flags;
    PyType_Slot *slots;
} PyType_Spec;

/* A slot's number is its offset in the type. */
enum {
    Py_tp_dealloc = offsetof(PyTypeObject, tp_dealloc),
    Py_tp_traverse = offsetof(PyTypeObject, tp_traverse),
    Py_tp_clear = offsetof(PyTypeObject, tp_clear),
    Py_tp_methods = offsetof(PyTypeObject, tp_methods),
    Py_tp_getset = offsetof(PyTypeObject, tp_getset),
    Py_tp_iter = offsetof(PyTypeObject, tp_iter),
    Py_tp_iternext = offsetof(PyTypeObject, tp_iternext),
    Py_tp_new = offsetof(PyTypeObject, tp_new),
    Py_tp_doc = offsetof(PyTypeObject, tp_doc)
};
#endif

/* A function as the value of a type's slot. */
#define WSGI_SLOT(function) ((void *)(uintptr_t)(function))

/* For Py_tp_traverse: from 3.9 on, the garbage collector counts an instance's
   reference to its type. */
#if PY_VERSION_HEX >= 0x03090000
#define WSGI_VISIT_TYPE(object) Py_VISIT(Py_TYPE(object))
#else
#define WSGI_VISIT_TYPE(object)
#endif

/* Without this, a type would inherit its base's tp_new, which makes instances
   without the fields that our functions need. */
static inline void wsgi_type_no_new(PyTypeObject *type, PyType_Slot *slot)
{
    while (slot->slot != 0 && slot->slot != Py_tp_new)
        slot++;
    if (slot->slot == 0)
        type->tp_new = NULL;
}

/* A new type for the current interpreter, or NULL with an exception set. base
   may be NULL. */
static inline PyTypeObject *wsgi_type_with_base(PyType_Spec *spec,
                                                PyTypeObject *base)
{
#if PY_VERSION_HEX >= 0x03000000
    PyObject *bases = base != NULL ? PyTuple_Pack(1, base) : NULL;
    PyTypeObject *type = NULL;

    if (base == NULL || bases != NULL)
        type = (PyTypeObject *)PyType_FromSpecWithBases(spec, bases);
    Py_XDECREF(bases);
    if (type == NULL)
        return NULL;
#else
    PyTypeObject *type = calloc(1, sizeof *type);
    PyType_Slot *slot;

    if (type == NULL)
        return (PyTypeObject *)PyErr_NoMemory();
    Py_REFCNT(type) = 2; /* never freed: only heap types can be */
    type->tp_name = spec->name;
    type->tp_basicsize = spec->basicsize;
    type->tp_flags = (long)spec->flags;
    Py_XINCREF(base);
    type->tp_base = base;
    for (slot = spec->slots; slot->slot != 0; slot++)
        memcpy((char *)type + slot->slot, &slot->pfunc, sizeof(void *));
    if (PyType_Ready(type) < 0)
        return NULL;
#endif
    wsgi_type_no_new(type, spec->slots);
    return type;
}

static inline PyTypeObject *wsgi_type(PyType_Spec *spec)
{
    return wsgi_type_with_base(spec, NULL);
}

/* The beginning of an instance of a type of Python's module io. */
#define WSGI_IO_HEAD                                                          \
    PyObject_HEAD                                                             \
    PyObject *dict, *weakrefs;

typedef struct {
    WSGI_IO_HEAD
} wsgi_io_head;

static inline int wsgi_io_is_known(const PyTypeObject *base)
{
    if (base->tp_basicsize == sizeof(wsgi_io_head) &&
        base->tp_dictoffset == offsetof(wsgi_io_head, dict) &&
        base->tp_weaklistoffset == offsetof(wsgi_io_head, weakrefs))
        return 1;
    PyErr_Format(PyExc_SystemError, "%s is not as mod_wsgi knows it",
                 base->tp_name);
    return 0;
}

/* Makes isinstance(stream, io.NAME) true, as for Python's own streams. */
static inline int wsgi_io_register(PyTypeObject *type, const char *name)
{
#if PY_VERSION_HEX >= 0x03000000
    PyObject *io = PyImport_ImportModule("io");
    PyObject *base = io != NULL ? PyObject_GetAttrString(io, name) : NULL;
    PyObject *done = NULL;

    if (base != NULL)
        done = PyObject_CallMethod(base, "register", "O", type);
    Py_XDECREF(done);
    Py_XDECREF(base);
    Py_XDECREF(io);
    return done != NULL ? 0 : -1;
#else
    (void)type; /* in Python 2 sys.stdout is a file, not a stream of io */
    (void)name;
    return 0;
#endif
}

#if PY_VERSION_HEX < 0x02070000

/* Python 2.6 has io.NAME as a class of its own. So a class is made of our type
   and that one. */
static inline PyTypeObject *wsgi_io_class(PyType_Spec *spec, PyObject *base)
{
    PyTypeObject *ours = wsgi_type(spec), *type = NULL;

    if (ours == NULL)
        return NULL;
    ours->tp_flags |= Py_TPFLAGS_BASETYPE;
    type = (PyTypeObject *)PyObject_CallFunction(
        (PyObject *)Py_TYPE(base), (char *)"s(OO){s:s}",
        strchr(spec->name, '.') + 1, ours, base, "__module__", "mod_wsgi");
    ours->tp_flags &= ~Py_TPFLAGS_BASETYPE;
    if (type != NULL) {
        type->tp_flags &= ~Py_TPFLAGS_BASETYPE;
        type->tp_del = NULL; /* with it, the collector would not free cycles */
    }
    return type;
}

static inline PyTypeObject *wsgi_io_type(PyType_Spec *spec, const char *name)
{
    PyObject *io = PyImport_ImportModule("io");
    PyObject *base = io != NULL ? PyObject_GetAttrString(io, name) : NULL;
    PyTypeObject *type = base != NULL ? wsgi_io_class(spec, base) : NULL;

    Py_XDECREF(base);
    Py_XDECREF(io);
    return type;
}

/* The destructor that was given to wsgi_io_type. */
static inline destructor wsgi_io_destructor(const PyTypeObject *type)
{
    return type->tp_flags & Py_TPFLAGS_HEAPTYPE ? type->tp_base->tp_dealloc
                                                : type->tp_dealloc;
}

#else

static inline destructor wsgi_io_destructor(const PyTypeObject *type)
{
    return type->tp_dealloc;
}

/* A new type that extends io.NAME. Its instances begin with WSGI_IO_HEAD. */
static inline PyTypeObject *wsgi_io_type(PyType_Spec *spec, const char *name)
{
    PyObject *io = PyImport_ImportModule("_io"), *base = NULL;
    PyTypeObject *type = NULL;
    char inner[64];

    snprintf(inner, sizeof inner, "_%s", name);
    if (io != NULL)
        base = PyObject_GetAttrString(io, inner);
    if (base != NULL && wsgi_io_is_known((PyTypeObject *)base))
        type = wsgi_type_with_base(spec, (PyTypeObject *)base);
    Py_XDECREF(base);
    Py_XDECREF(io);
    if (type != NULL && wsgi_io_register(type, name) < 0)
        Py_CLEAR(type);
    return type;
}

#endif

/* Ends a destructor. An instance of a type made from a spec owns a reference
   to its type. */
static inline void wsgi_type_free(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    if (WSGI_REUSES_MEMORY)
        type->tp_free(object);
#if PY_VERSION_HEX >= 0x03000000
    Py_DECREF(type);
#endif
}

/* An object that holds a pointer of ours, of the kind that mark names: a new
   reference. And the pointer of such an object, or NULL with an exception set.
   The address of mark must be the same in both. */
#if PY_VERSION_HEX >= 0x02070000

static inline PyObject *wsgi_pointer(void *pointer, const char *mark)
{
    return PyCapsule_New(pointer, mark, NULL);
}

static inline void *wsgi_pointer_in(PyObject *holder, const char *mark)
{
    return PyCapsule_GetPointer(holder, mark);
}

#else

static inline void wsgi_pointer_keep(void *pointer, void *mark)
{
    (void)pointer; /* neither is the object's */
    (void)mark;
}

static inline PyObject *wsgi_pointer(void *pointer, const char *mark)
{
    return PyCObject_FromVoidPtrAndDesc(pointer, (void *)(uintptr_t)mark,
                                        wsgi_pointer_keep);
}

static inline void *wsgi_pointer_in(PyObject *holder, const char *mark)
{
    if (PyCObject_Check(holder) && PyCObject_GetDesc(holder) == mark)
        return PyCObject_AsVoidPtr(holder);
    PyErr_SetString(PyExc_ValueError, "it holds no pointer of that kind");
    return NULL;
}

#endif

/* ---- Starting Python ---------------------------------------------------- */

#if PY_VERSION_HEX >= 0x03080000

static inline PyStatus wsgi_python_init(const char *home)
{
    PyPreConfig before;
    PyConfig config;
    PyStatus status;
    wchar_t *name[] = {(wchar_t[]){L"mod_wsgi"}};

    PyPreConfig_InitPythonConfig(&before);
    before.utf8_mode = 1;
    before.configure_locale = 0; /* the locale is the server's */
    before.parse_argv = 0;
    status = Py_PreInitialize(&before);
    if (PyStatus_Exception(status))
        return status;

    PyConfig_InitPythonConfig(&config);
    config.install_signal_handlers = 0;
    config.parse_argv = 0;
    config.site_import = 0; /* see wsgi_python_expect_site */
    config.user_site_directory = 0;
    config.pathconfig_warnings = 0;
    config.configure_c_stdio = 0; /* as are stdin, stdout and stderr */
    config.buffered_stdio = 0;    /* sitecustomize's last words are logged */
    status = PyConfig_SetArgv(&config, 1, name);
    if (!PyStatus_Exception(status) && WSGI_PYTHON_EXECUTABLE[0] != '\0')
        status = PyConfig_SetBytesString(&config, &config.program_name,
                                         WSGI_PYTHON_EXECUTABLE);
    if (!PyStatus_Exception(status) && home != NULL)
        status = PyConfig_SetBytesString(&config, &config.home, home);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

/*
 * Starts Python in the calling thread, which holds the lock afterwards. home
 * may be NULL. Returns 0, or -1 with the reason in why.
 */
static inline int wsgi_python_start(const char *home, char *why, size_t size)
{
    PyStatus status = wsgi_python_init(home);

    if (!PyStatus_Exception(status))
        return 0;
    snprintf(why, size, "%s",
             status.err_msg != NULL ? status.err_msg : "unknown reason");
    return -1;
}

#else

#if PY_VERSION_HEX >= 0x03000000
typedef wchar_t wsgi_char;
#define wsgi_widen(text) Py_DecodeLocale((text), NULL)
#else
typedef char wsgi_char;
#define wsgi_widen(text) strdup(text)
#endif

/* Whether one of the directories of Py_GetPath has the standard library.
   Without it, these Pythons would end the process. */
static inline int wsgi_python_has_library(void)
{
    int found = 0;
    char *dir, *rest = NULL;
    char *path;
#if PY_VERSION_HEX >= 0x03000000
    path = Py_EncodeLocale(Py_GetPath(), NULL);
#else
    path = strdup(Py_GetPath());
#endif
    for (dir = path ? strtok_r(path, ":", &rest) : NULL; dir && !found;
         dir = strtok_r(NULL, ":", &rest)) {
        char name[4096];
        FILE *file;

        snprintf(name, sizeof name, "%s/encodings/__init__.py", dir);
        file = fopen(name, "r");
        found = file != NULL;
        if (file != NULL)
            fclose(file);
    }
#if PY_VERSION_HEX >= 0x03000000
    PyMem_Free(path);
#else
    free(path);
#endif
    return found;
}

/* Python 3.7 gives the first interpreter's sys.path list to each later one,
   too. So the first gets a copy: what an application adds there is not seen by
   others. Returns 0, or -1 with an exception set. */
static inline int wsgi_python_own_path(void)
{
    PyObject *path = PySys_GetObject((char *)"path"); /* borrowed */
    PyObject *copy = path != NULL ? PySequence_List(path) : NULL;
    int result = copy != NULL ? PySys_SetObject((char *)"path", copy) : -1;

    Py_XDECREF(copy);
    return result;
}

/* Sets sys.argv and leaves sys.path alone. In Python 2.6 PySys_SetArgv would
   put the current directory there. */
static inline void wsgi_python_name(wsgi_char *name)
{
#if PY_VERSION_HEX >= 0x02070000
    PySys_SetArgvEx(1, &name, 0);
#else
    PyObject *argv = Py_BuildValue("[s]", name);

    if (argv == NULL || PySys_SetObject((char *)"argv", argv) < 0)
        Py_FatalError("can't assign sys.argv");
    Py_DECREF(argv);
#endif
}

static inline int wsgi_python_start(const char *home, char *why, size_t size)
{
    static wsgi_char name[] = {'m', 'o', 'd', '_', 'w', 's', 'g', 'i', 0};

    /* Python keeps these two pointers for ever. */
    if (WSGI_PYTHON_EXECUTABLE[0] != '\0')
        Py_SetProgramName(wsgi_widen(WSGI_PYTHON_EXECUTABLE));
    if (home != NULL)
        Py_SetPythonHome(wsgi_widen(home));
    Py_NoSiteFlag = 1; /* see wsgi_python_expect_site */
    Py_NoUserSiteDirectory = 1;
    Py_FrozenFlag = 1; /* no warnings about its search for the library */
#if PY_VERSION_HEX >= 0x03000000
    Py_UnbufferedStdioFlag = 1; /* sitecustomize's last words are logged */
#endif
#if PY_VERSION_HEX >= 0x03070000
    Py_UTF8Mode = 1;
#endif
    if (!wsgi_python_has_library()) {
        snprintf(why, size, "no standard library (encodings) was found");
        return -1;
    }
    Py_InitializeEx(0);
    wsgi_python_name(name);
    if (wsgi_python_own_path() < 0) {
        PyErr_Clear();
        snprintf(why, size, "no memory for sys.path");
        return -1;
    }
#if PY_VERSION_HEX < 0x03070000
    PyEval_InitThreads();
#endif
    return 0;
}

#endif

/* ---- site --------------------------------------------------------------- */

/*
 * Python is started without site.py. Each interpreter imports site later, when
 * its virtual environment is known (site.c).
 */

/* The indexes of two flags in sys.flags. */
#if PY_VERSION_HEX >= 0x03000000
enum { WSGI_FLAG_NO_USER_SITE = 5, WSGI_FLAG_NO_SITE = 6 };
#else
enum { WSGI_FLAG_NO_USER_SITE = 8, WSGI_FLAG_NO_SITE = 9 };
#endif

/* Whether site.py expects the environment's prefix in sys.prefix. In other
   Pythons site.py finds it by sys.executable, and sets sys.prefix. */
#define WSGI_SITE_NEEDS_PREFIX                                                \
    (PY_VERSION_HEX < 0x03000000 || PY_VERSION_HEX >= 0x030E0000)

/* Whether site.py does not know pyvenv.cfg. */
#define WSGI_SITE_IS_OLD (PY_VERSION_HEX < 0x03000000)

/* Whether sys._base_executable is the command that made the environment. In
   older Pythons it is the same as sys.executable. */
#define WSGI_BASE_EXECUTABLE_IS_BASE (PY_VERSION_HEX >= 0x030B0000)

#if PY_VERSION_HEX >= 0x03000000
#define wsgi_small_number(n) PyLong_FromLong(n)
#else
#include <structseq.h>
#define wsgi_small_number(n) PyInt_FromLong(n)
#define PyStructSequence_GET_ITEM(op, i)                                      \
    (((PyStructSequence *)(op))->ob_item[i])
#endif

/* How many items a struct sequence has, with those that have only a name. -1
   with an exception set. */
static inline Py_ssize_t wsgi_structure_size(PyObject *structure)
{
    PyObject *number =
        PyObject_GetAttrString((PyObject *)Py_TYPE(structure), "n_fields");
    Py_ssize_t size =
        number != NULL ? PyNumber_AsSsize_t(number, PyExc_OverflowError) : -1;

    Py_XDECREF(number);
    return size;
}

/*
 * Gives the current interpreter its own sys.flags, which say that site is
 * imported, and whether the user's site-packages are left out. (In old Pythons
 * all interpreters share one object.) Programs that the interpreter starts
 * inherit both flags. Returns 0 or -1.
 */
static inline int wsgi_python_expect_site(int no_user_site)
{
    PyObject *old = PySys_GetObject((char *)"flags"), *fresh; /* borrowed */
    Py_ssize_t i, count = old != NULL ? wsgi_structure_size(old) : -1;
    int result;

    if (count < 0)
        return -1;
    fresh = PyStructSequence_New(Py_TYPE(old));
    for (i = 0; fresh != NULL && i < count; i++) {
        PyObject *item = PyStructSequence_GET_ITEM(old, i);

        if (i == WSGI_FLAG_NO_SITE)
            item = wsgi_small_number(0);
        else if (i == WSGI_FLAG_NO_USER_SITE)
            item = wsgi_small_number(no_user_site);
        else
            Py_XINCREF(item);
        PyStructSequence_SET_ITEM(fresh, i, item);
    }
    result = fresh != NULL ? PySys_SetObject((char *)"flags", fresh) : -1;
    Py_XDECREF(fresh);
    return result;
}

/* ---- Interpreters and threads ------------------------------------------- */

/* Whether Python itself sees to it that PyGILState_Ensure finds the state that
   was current last on a thread: see states.c. */
#define WSGI_SETS_STATE_KEY (PY_VERSION_HEX >= 0x030C0000)

/* What the calling thread has under a key that Python may keep its state
   under, and to change it. Python 2 has keys of its own. */
#if PY_VERSION_HEX >= 0x03000000

static inline void *wsgi_key_get(int key)
{
    return pthread_getspecific((pthread_key_t)key);
}

static inline void wsgi_key_set(int key, void *value)
{
    pthread_setspecific((pthread_key_t)key, value);
}

#else

#define wsgi_key_get(key) PyThread_get_key_value(key)

static inline void wsgi_key_set(int key, void *value)
{
    if (PyThread_get_key_value(key) == value)
        return;
    PyThread_delete_key_value(key);
    if (PyThread_set_key_value(key, value) < 0)
        Py_FatalError("no memory to keep the state of a thread");
}

#endif

/* Whether a thread that waits for the lock asks only threads of its own
   interpreter to release it: see turns.c. */
#define WSGI_LOCK_IS_UNFAIR                                                   \
    (PY_VERSION_HEX >= 0x03090000 && PY_VERSION_HEX < 0x030D0000)

/* Whether an interpreter can have a lock of its own. */
#define WSGI_HAS_OWN_GIL (PY_VERSION_HEX >= 0x030C0000)

/* Whether threads of one interpreter run at the same time. If so, only the
   first interpreter takes extension modules with single-phase initialisation.
 */
#ifdef Py_GIL_DISABLED
#define WSGI_FREE_THREADED 1
#else
#define WSGI_FREE_THREADED 0
#endif

/* Whether Python comes with faulthandler, and whether that can write the
   stacks of all threads of an interpreter at a signal. */
#define WSGI_HAS_FAULTHANDLER (PY_VERSION_HEX >= 0x03000000)
#define WSGI_FAULTHANDLER_SEES_ALL                                            \
    (PY_VERSION_HEX >= 0x03030000 && !WSGI_FREE_THREADED)

/* The frame that another thread runs, given its state and number: a new
   reference, or NULL. sys._current_frames() makes objects for the frames of
   all interpreters in the caller's memory, and an interpreter with its own
   lock would then free memory of another. So it is called only in
   free-threaded Pythons, where nothing else stops the other thread. */
static inline PyObject *wsgi_python_frame(PyThreadState *state,
                                          unsigned long thread)
{
#ifdef Py_GIL_DISABLED
    PyObject *function = PySys_GetObject("_current_frames"), *all = NULL;
    PyObject *key = PyLong_FromUnsignedLong(thread), *frame = NULL;

    (void)state;
    if (function != NULL)
        all = PyObject_CallObject(function, NULL);
    if (all != NULL && key != NULL)
        frame = PyObject_GetItem(all, key);
    Py_XDECREF(key);
    Py_XDECREF(all);
    return frame;
#elif PY_VERSION_HEX >= 0x03090000
    (void)thread;
    return (PyObject *)PyThreadState_GetFrame(state);
#else
    (void)thread;
    Py_XINCREF(state->frame);
    return (PyObject *)state->frame;
#endif
}

/* Raises an exception in another thread of the current interpreter as soon as
   that thread runs Python code. NULL cancels one that was not raised yet. */
static inline void wsgi_python_raise_in(unsigned long thread, PyObject *type)
{
#if PY_VERSION_HEX >= 0x03070000
    PyThreadState_SetAsyncExc(thread, type);
#else
    PyThreadState_SetAsyncExc((long)thread, type);
#endif
}

/* The current state of the calling thread, or NULL. Needs no lock. Up to
   Python 3.11 it is the state of the thread that has the lock. */
static inline PyThreadState *wsgi_current_state(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#elif PY_VERSION_HEX >= 0x03000000
    return _PyThreadState_UncheckedGet();
#else
    return _PyThreadState_Current;
#endif
}

/*
 * Makes an interpreter. The caller holds the lock and has a current state.
 * Returns the new interpreter's first state, which is current then. On failure
 * returns NULL with the reason in why, and the old state is current.
 */
static inline PyThreadState *wsgi_python_new_interp(int own_gil, char *why,
                                                    size_t size)
{
#if WSGI_HAS_OWN_GIL
    PyThreadState *state = NULL;
    PyInterpreterConfig config = {
        .use_main_obmalloc = !own_gil,
        .allow_fork = 0, /* would end the copy; subprocess works without */
        .allow_exec = 1,
        .allow_threads = 1,
        .allow_daemon_threads = 1,
        .check_multi_interp_extensions = own_gil || WSGI_FREE_THREADED,
        .gil = own_gil ? PyInterpreterConfig_OWN_GIL
                       : PyInterpreterConfig_SHARED_GIL,
    };
    PyStatus status = Py_NewInterpreterFromConfig(&state, &config);

    if (!PyStatus_Exception(status))
        return state;
    snprintf(why, size, "%s",
             status.err_msg != NULL ? status.err_msg : "unknown reason");
    return NULL;
#else
    PyThreadState *state = Py_NewInterpreter();

    (void)own_gil;
    if (state == NULL)
        snprintf(why, size, "Py_NewInterpreter failed");
    return state;
#endif
}

/* Whether only the first interpreter can fork. In others Python ends the copy,
   or refuses to fork. */
#define WSGI_FORKS_IN_FIRST_ONLY (PY_VERSION_HEX >= 0x03080000)

#if WSGI_FORKS_IN_FIRST_ONLY

/* Python's state of the process, which the library exports for debuggers. */
extern char _PyRuntime[]; /* NOLINT(*-reserved-identifier,cert-dcl*) */

/* How many of its bytes are searched. All Pythons of these versions have more.
 */
#define WSGI_RUNTIME_SIZE (PY_VERSION_HEX < 0x030B0000 ? 640 : 8192)

#endif

/*
 * Takes all interpreters but the first one out of Python's list. The list
 * begins with the newest. Its head is found in _PyRuntime as the pointer to
 * the newest that is followed by one to the first. For a copy of the process,
 * which has no other thread. Returns 0, or -1 if the list was not found. Safe
 * in a handler of fork().
 */
static inline int wsgi_python_keep_first(void)
{
#if WSGI_FORKS_IN_FIRST_ONLY
    PyInterpreterState *first = PyInterpreterState_Main();
    PyInterpreterState *newest = PyInterpreterState_Head();
    PyInterpreterState **word = (PyInterpreterState **)(void *)_PyRuntime;
    PyInterpreterState **end = word + WSGI_RUNTIME_SIZE / sizeof(void *) - 1;

    while (word < end && (word[0] != newest || word[1] != first))
        word++;
    if (word < end)
        word[0] = first;
    return PyInterpreterState_Head() == first &&
                   (first == NULL || PyInterpreterState_Next(first) == NULL)
               ? 0
               : -1;
#else
    return 0;
#endif
}

/* Ends the interpreter whose only state is current, and makes another state
   current. */
static inline void wsgi_python_end_interp(PyThreadState *state,
                                          PyThreadState *next)
{
    Py_EndInterpreter(state);
#if PY_VERSION_HEX >= 0x030C0000
    PyEval_RestoreThread(next); /* no lock is held now */
#else
    PyThreadState_Swap(next);
#endif
}

#if PY_VERSION_HEX < 0x03090000
#define PyThreadState_GetInterpreter(state) ((state)->interp)
#endif

#endif
