/*
 * faults.c - makes faulthandler write to the server's log.
 *
 * When the process fails, faulthandler writes to a file descriptor: by default
 * that of sys.stderr, but our sys.stderr has none. The process's standard
 * error is the server's log. So functions of ours call faulthandler's with
 * that instead. They pass the number 2, not a stream, because faulthandler
 * serves the whole process, and a stream of one interpreter would not live as
 * long.
 */
#include <signal.h>
#include <unistd.h>

#include "reports.h"

/* A copy of the arguments with number at this place. */
static PyObject *replace_at(PyObject *args, Py_ssize_t place, PyObject *number)
{
    PyObject *list = PySequence_List(args), *copy = NULL;

    Py_INCREF(number);
    if (list != NULL && PyList_SetItem(list, place, number) == 0)
        copy = PyList_AsTuple(list);
    Py_XDECREF(list);
    return copy;
}

/* Calls a function of faulthandler with standard error as the file. place is
   the file's index among the arguments. */
static PyObject *call_with_log(PyObject *function, PyObject *args,
                               PyObject *keywords, Py_ssize_t place)
{
    PyObject *number = PyLong_FromLong(STDERR_FILENO);
    PyObject *changed = NULL, *named = NULL, *result = NULL;

    if (number != NULL && place < PyTuple_GET_SIZE(args)) {
        changed = replace_at(args, place, number);
        if (changed != NULL)
            result = PyObject_Call(function, changed, keywords);
    } else if (number != NULL) {
        named = keywords != NULL ? PyDict_Copy(keywords) : PyDict_New();
        if (named != NULL && PyDict_SetItemString(named, "file", number) == 0)
            result = PyObject_Call(function, args, named);
    }
    Py_XDECREF(named);
    Py_XDECREF(changed);
    Py_XDECREF(number);
    return result;
}

/* The file that faulthandler would write to: borrowed, or NULL. */
static PyObject *find_file(PyObject *args, PyObject *keywords,
                           Py_ssize_t place)
{
    PyObject *file = NULL;

    if (place < PyTuple_GET_SIZE(args))
        file = PyTuple_GET_ITEM(args, place);
    else if (keywords != NULL)
        file = PyDict_GetItemString(keywords, "file");
    return file != NULL && file != Py_None ? file
                                           : PySys_GetObject((char *)"stderr");
}

static PyObject *call(PyObject *function, PyObject *args, PyObject *keywords,
                      Py_ssize_t place)
{
    PyObject *file = find_file(args, keywords, place);

    if (file != NULL && wsgi_streams_is_one(file))
        return call_with_log(function, args, keywords, place);
    return PyObject_Call(function, args, keywords);
}

/* self is faulthandler's own function. */
static PyObject *with_file_first(PyObject *self, PyObject *args,
                                 PyObject *keywords)
{
    return call(self, args, keywords, 0);
}

static PyObject *with_file_third(PyObject *self, PyObject *args,
                                 PyObject *keywords)
{
    return call(self, args, keywords, 2);
}

static PyMethodDef methods[] = {
    {"enable", WSGI_METHOD(with_file_first), METH_VARARGS | METH_KEYWORDS,
     "enable(file=the server's log, all_threads=True)"},
    {"dump_traceback", WSGI_METHOD(with_file_first),
     METH_VARARGS | METH_KEYWORDS,
     "dump_traceback(file=the server's log, all_threads=True)"},
    {"dump_traceback_later", WSGI_METHOD(with_file_third),
     METH_VARARGS | METH_KEYWORDS,
     "dump_traceback_later(timeout, repeat=False, file=the server's log, "
     "exit=False)"},
};

/* Replaces a function of the module by one of ours. */
static int replace(PyObject *module, PyMethodDef *method)
{
    PyObject *own = PyObject_GetAttrString(module, method->ml_name);
    PyObject *function = own != NULL ? PyCFunction_New(method, own) : NULL;
    int result = -1;

    if (function != NULL)
        result = PyObject_SetAttrString(module, method->ml_name, function);
    Py_XDECREF(function);
    Py_XDECREF(own);
    return result;
}

/* ---- All threads, without their lock ---------------------------------- */

static int sees_main; /* atomic */

/* faulthandler can only be asked by a signal. It sees the threads of one
   interpreter, which must not end. So that of the process's first application.
 */
static int register_signal(PyObject *module, const wsgi_interp *interp)
{
    PyObject *result;

    if (!WSGI_FAULTHANDLER_SEES_ALL || WSGI_SPARE_SIGNAL == 0 ||
        !wsgi_process_given.has_owner ||
        strcmp(interp->name, WSGI_MAIN_INTERPRETER) != 0)
        return 0;
    result = PyObject_CallMethod(module, (char *)"register", (char *)"iii",
                                 WSGI_SPARE_SIGNAL, STDERR_FILENO, 1);
    if (result == NULL)
        return -1;
    Py_DECREF(result);
    wsgi_atomic_store(&sees_main, 1, WSGI_RELEASE);
    return 0;
}

void wsgi_faults_tell(void)
{
    if (wsgi_atomic_load(&sees_main, WSGI_ACQUIRE))
        kill(getpid(), WSGI_SPARE_SIGNAL);
}

/* ---- The start -------------------------------------------------------- */

int wsgi_faults_install(const wsgi_interp *interp)
{
    PyObject *module;
    int result = 0;
    size_t i;

    if (!WSGI_HAS_FAULTHANDLER)
        return 0;
    module = PyImport_ImportModule("faulthandler");
    if (module == NULL && PyErr_ExceptionMatches(PyExc_ImportError)) {
        PyErr_Clear(); /* 3.12, 3.13: interpreters with their own lock can't
                          have it */
        return 0;
    }
    if (module == NULL)
        return -1;
    for (i = 0; i < sizeof methods / sizeof *methods && result == 0; i++)
        result = replace(module, &methods[i]);
    if (result == 0)
        result = register_signal(module, interp);
    Py_DECREF(module);
    return result;
}
