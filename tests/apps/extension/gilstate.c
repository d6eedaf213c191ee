/*
 * gilstate.c - an extension module as many are: it calls back from C with
 * PyGILState_Ensure, on the thread of the request and on one of its own, and
 * keeps its state in static variables. Python 2.7 and 3; the tests build it.
 */
#include <Python.h>
#include <pthread.h>

/* Adds one in Python, as a callback from a library of C would. */
static long add_one(long number)
{
    PyGILState_STATE state = PyGILState_Ensure();
    PyObject *one = PyLong_FromLong(1), *sum = NULL;
    PyObject *before = PyLong_FromLong(number);
    long result = -1;

    if (one != NULL && before != NULL)
        sum = PyNumber_Add(before, one);
    if (sum != NULL)
        result = PyLong_AsLong(sum);
    Py_XDECREF(sum);
    Py_XDECREF(before);
    Py_XDECREF(one);
    PyGILState_Release(state);
    return result;
}

/* With Python's lock held already: Ensure has to notice. */
static PyObject *inside(PyObject *self, PyObject *args)
{
    long number;

    (void)self;
    if (!PyArg_ParseTuple(args, "l", &number))
        return NULL;
    return PyLong_FromLong(add_one(number));
}

/* With the lock given up, as a library does while it computes. */
static PyObject *outside(PyObject *self, PyObject *args)
{
    long number;

    (void)self;
    if (!PyArg_ParseTuple(args, "l", &number))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    number = add_one(number);
    Py_END_ALLOW_THREADS
    return PyLong_FromLong(number);
}

static void *run(void *number)
{
    *(long *)number = add_one(*(long *)number);
    return NULL;
}

/* On a thread that Python has never seen. */
static PyObject *elsewhere(PyObject *self, PyObject *args)
{
    pthread_t thread;
    long number;
    int error;

    (void)self;
    if (!PyArg_ParseTuple(args, "l", &number))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    error = pthread_create(&thread, NULL, run, &number);
    if (error == 0)
        pthread_join(thread, NULL);
    Py_END_ALLOW_THREADS
    if (error != 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    return PyLong_FromLong(number);
}

/* Calls a Python function from C with the lock given up before. */
static PyObject *callback(PyObject *self, PyObject *function)
{
    PyGILState_STATE state;
    PyThreadState *saved = PyEval_SaveThread();
    PyObject *result;

    (void)self;
    state = PyGILState_Ensure();
    result = PyObject_CallObject(function, NULL);
    PyGILState_Release(state);
    PyEval_RestoreThread(saved);
    return result;
}

static PyMethodDef methods[] = {
    {"inside", inside, METH_VARARGS, "inside(number) - number + 1"},
    {"outside", outside, METH_VARARGS, "outside(number) - number + 1"},
    {"elsewhere", elsewhere, METH_VARARGS, "elsewhere(number) - number + 1"},
    {"callback", callback, METH_O, "callback(function) - its result"},
    {NULL, NULL, 0, NULL},
};

/* Made once, in one phase: interpreters with a lock of their own refuse it. */
#if PY_MAJOR_VERSION >= 3
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "gilstate",
    NULL,
    -1,
    methods,
    NULL,
    NULL,
    NULL,
    NULL,
};

PyMODINIT_FUNC PyInit_gilstate(void)
{
    return PyModule_Create(&definition);
}
#else
PyMODINIT_FUNC initgilstate(void)
{
    Py_InitModule("gilstate", methods);
}
#endif
