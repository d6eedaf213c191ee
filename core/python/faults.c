/*
 * faults.c - faulthandler writes to the server's log.
 *
 * What faulthandler writes when the process fails goes straight to a
 * descriptor, that of sys.stderr if nobody names another file. Ours has none.
 * But the server has made standard error its log, so functions of ours call
 * faulthandler's with that instead. They name it by its number, for
 * faulthandler serves the whole process, and a stream of one interpreter would
 * not live as long.
 */
#include <unistd.h>

#include "interpreters.h"

/* A copy of the arguments with standard error at this place. */
static PyObject *replace_at(PyObject *args, Py_ssize_t place, PyObject *number)
{
    PyObject *list = PySequence_List(args), *copy = NULL;

    Py_INCREF(number);
    if (list != NULL && PyList_SetItem(list, place, number) == 0)
        copy = PyList_AsTuple(list);
    Py_XDECREF(list);
    return copy;
}

/* Calls a function of faulthandler with standard error for the file, which
   has this place among the arguments. */
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

/* faulthandler's own function is self. */
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

/* Puts a function of ours in the place of one of the module. */
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

int wsgi_faults_install(void)
{
    PyObject *module;
    int result = 0;
    size_t i;

    if (!WSGI_HAS_FAULTHANDLER)
        return 0;
    module = PyImport_ImportModule("faulthandler");
    if (module == NULL && PyErr_ExceptionMatches(PyExc_ImportError)) {
        PyErr_Clear(); /* 3.12 and 3.13: not beside a lock of one's own */
        return 0;
    }
    if (module == NULL)
        return -1;
    for (i = 0; i < sizeof methods / sizeof *methods && result == 0; i++)
        result = replace(module, &methods[i]);
    Py_DECREF(module);
    return result;
}
