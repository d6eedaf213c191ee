/*
 * children.c - gives the programs that an application starts its os.environ.
 *
 * If the application passes no environment, Python passes on the process's.
 * But that is common to all interpreters, and has no variables
 * mod_wsgi.environ.NAME. So the functions that start programs are replaced by
 * others that pass the interpreter's own. The self of each replacement is a
 * tuple: Python's function, which it calls, and the data of os.environ.
 */
#include "surroundings.h"

/* The index of the environment among the arguments. */
#define FORK_EXEC_ENVIRONMENT 5
#define SPAWN_ENVIRONMENT 2

static PyObject *original_of(PyObject *self)
{
    return PyTuple_GET_ITEM(self, 0);
}

/* Returns a copy, because other threads may change the dict. */
static PyObject *environment_of(PyObject *self)
{
    return PyDict_Copy(PyTuple_GET_ITEM(self, 1));
}

/* A name or value as bytes: a new reference, or NULL. If it is not text, no
   exception is set. In Python 2 an application may have put unicode in. */
static PyObject *bytes_of(PyObject *text)
{
    if (PyBytes_Check(text)) {
        Py_INCREF(text);
        return text;
    }
    return wsgi_text_check(text) ? wsgi_text_bytes(text) : NULL;
}

/* Adds NAME=VALUE. An entry that is not text, which an application may have
   put in, is left out. */
static int add_string(PyObject *list, PyObject *name, PyObject *value)
{
    PyObject *left = bytes_of(name), *right = NULL, *entry = NULL;
    int result = 0;

    if (left != NULL)
        right = bytes_of(value);
    if (right != NULL)
        entry = PyBytes_FromFormat("%s=%s", PyBytes_AS_STRING(left),
                                   PyBytes_AS_STRING(right));
    if (entry != NULL)
        result = PyList_Append(list, entry);
    Py_XDECREF(entry);
    Py_XDECREF(right);
    Py_XDECREF(left);
    return PyErr_Occurred() == NULL ? result : -1;
}

static int add_strings(PyObject *list, PyObject *environment)
{
    PyObject *name, *value;
    Py_ssize_t place = 0;
    int result = 0;

    while (result == 0 && PyDict_Next(environment, &place, &name, &value))
        result = add_string(list, name, value);
    return result;
}

PyObject *wsgi_children_strings(PyObject *data)
{
    PyObject *environment = PyDict_Copy(data), *list = PyList_New(0);

    if (environment == NULL || list == NULL ||
        add_strings(list, environment) < 0)
        Py_CLEAR(list);
    Py_XDECREF(environment);
    return list;
}

/* The arguments with the environment in the given place, if that has None.
   Drops the reference to environment, which may be NULL. */
static PyObject *fill_in(PyObject *args, Py_ssize_t place,
                         PyObject *environment)
{
    PyObject *all = NULL, *changed = NULL;

    if (PyTuple_GET_SIZE(args) <= place ||
        PyTuple_GET_ITEM(args, place) != Py_None) {
        Py_XDECREF(environment);
        Py_INCREF(args);
        return args;
    }
    if (environment != NULL)
        all = PySequence_List(args);
    if (all != NULL && PySequence_SetItem(all, place, environment) == 0)
        changed = PyList_AsTuple(all);
    Py_XDECREF(all);
    Py_XDECREF(environment);
    return changed;
}

static PyObject *call(PyObject *self, PyObject *args, PyObject *keywords)
{
    PyObject *result = NULL;

    if (args != NULL)
        result = PyObject_Call(original_of(self), args, keywords);
    Py_XDECREF(args);
    return result;
}

/* Used by subprocess and multiprocessing on Python 3. */
static PyObject *run_fork_exec(PyObject *self, PyObject *args)
{
    return call(self,
                fill_in(args, FORK_EXEC_ENVIRONMENT,
                        wsgi_children_strings(PyTuple_GET_ITEM(self, 1))),
                NULL);
}

/* Used by subprocess instead, where it can, from Python 3.13 on. */
static PyObject *run_spawn(PyObject *self, PyObject *args, PyObject *keywords)
{
    return call(self, fill_in(args, SPAWN_ENVIRONMENT, environment_of(self)),
                keywords);
}

/* os.execv, which os.spawnv and Python 2's subprocess use, too. Calls
   os.execve. */
static PyObject *run_execv(PyObject *self, PyObject *args)
{
    PyObject *environment = environment_of(self), *last = NULL, *all = NULL;

    if (environment != NULL)
        last = PyTuple_Pack(1, environment);
    if (last != NULL)
        all = PySequence_Concat(args, last);
    Py_XDECREF(last);
    Py_XDECREF(environment);
    return call(self, all, NULL);
}

static PyMethodDef fork_exec_method = {"fork_exec", run_fork_exec,
                                       METH_VARARGS, NULL};

/* The functions of os that are replaced, and the ones that the replacements
   call. */
static struct {
    PyMethodDef method;
    const char *original;
} os_functions[] = {
    {{"execv", run_execv, METH_VARARGS,
      "execv(path, args) - runs another program in this process"},
     "execve"},
    {{"posix_spawn", WSGI_METHOD(run_spawn), METH_VARARGS | METH_KEYWORDS,
      NULL},
     "posix_spawn"},
    {{"posix_spawnp", WSGI_METHOD(run_spawn), METH_VARARGS | METH_KEYWORDS,
      NULL},
     "posix_spawnp"},
};

/* Makes a replacement that calls module.original. */
static PyObject *make(PyObject *module, const char *original,
                      PyMethodDef *method, const wsgi_interp *interp)
{
    PyObject *called = PyObject_GetAttrString(module, original);
    PyObject *self = NULL, *function = NULL;

    if (called != NULL)
        self = PyTuple_Pack(2, called, interp->os_environ);
    if (self != NULL)
        function = PyCFunction_New(method, self);
    Py_XDECREF(self);
    Py_XDECREF(called);
    return function;
}

/* Functions that this Python does not have are left out. */
static int replace_in_os(const wsgi_interp *interp)
{
    PyObject *os = PyImport_ImportModule("os"), *function;
    size_t i, count = sizeof os_functions / sizeof *os_functions;
    int result = os != NULL ? 0 : -1;

    for (i = 0; i < count && result == 0; i++) {
        PyMethodDef *method = &os_functions[i].method;

        if (!PyObject_HasAttrString(os, method->ml_name))
            continue;
        function = make(os, os_functions[i].original, method, interp);
        result = function != NULL
                     ? PyObject_SetAttrString(os, method->ml_name, function)
                     : -1;
        Py_XDECREF(function);
    }
    Py_XDECREF(os);
    return result;
}

/* Python 2 has no such module. If subprocess was imported before (by a .pth
   file), it has its own reference to the function. */
static int replace_fork_exec(const wsgi_interp *interp)
{
    PyObject *module = PyImport_ImportModule("_posixsubprocess");
    PyObject *subprocess, *function;
    int result = -1;

    if (module == NULL) {
        PyErr_Clear();
        return 0;
    }
    subprocess = wsgi_dict_get(PyImport_GetModuleDict(), "subprocess");
    function = make(module, "fork_exec", &fork_exec_method, interp);
    if (function != NULL)
        result = PyObject_SetAttrString(module, "fork_exec", function);
    if (result == 0 && subprocess != NULL)
        result = PyObject_SetAttrString(subprocess, "_fork_exec", function);
    Py_XDECREF(function);
    Py_XDECREF(subprocess);
    Py_DECREF(module);
    return result;
}

int wsgi_children_install(wsgi_interp *interp)
{
    return replace_in_os(interp) == 0 ? replace_fork_exec(interp) : -1;
}
