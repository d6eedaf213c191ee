/*
 * osenviron.c - os.environ of an interpreter.
 *
 * Python makes os.environ of the process's environment. All interpreters of
 * the process write to that one, and up to Python 3.8 they even share the
 * dict behind os.environ. One application would find what another has set. So
 * the environment is copied when Python has started, and each interpreter gets
 * a dict of its own, made of the copy. The variables mod_wsgi.environ.NAME are
 * put into that dict and nowhere else.
 */
#include <unistd.h>

#include "core.h"

/* NAME=VALUE of the process's environment as Python has found it, then NULL.
   Written before the first interpreter is prepared. */
static char **original;

int wsgi_osenviron_copy(void)
{
    size_t i, count = 0;

    while (environ[count] != NULL)
        count++;
    original = calloc(count + 1, sizeof *original);
    for (i = 0; original != NULL && i < count; i++)
        if ((original[i] = strdup(environ[i])) == NULL)
            return -1;
    return original != NULL ? 0 : -1;
}

/* Adds NAME=VALUE to a dict of bytes. Of a name that comes twice the first
   counts, as for Python. */
static int add_entry(PyObject *data, const char *entry)
{
    const char *equals = strchr(entry, '=');
    PyObject *name, *value;
    int result = -1;

    if (equals == NULL)
        return 0;
    name = PyBytes_FromStringAndSize(entry, equals - entry);
    value = PyBytes_FromString(equals + 1);
    if (name != NULL && value != NULL)
        result = PyDict_Contains(data, name);
    if (result == 0)
        result = PyDict_SetItem(data, name, value);
    Py_XDECREF(name);
    Py_XDECREF(value);
    return result < 0 ? -1 : 0;
}

static PyObject *new_data(void)
{
    PyObject *data = PyDict_New();
    char **entry;

    for (entry = original; data != NULL && *entry != NULL; entry++)
        if (add_entry(data, *entry) < 0)
            Py_CLEAR(data);
    return data;
}

/* Makes an object of the module os use the dict. Python 2 has no environb. */
static int use_data(PyObject *os, const char *name, PyObject *data)
{
    PyObject *object;
    int result;

    if (!PyObject_HasAttrString(os, name))
        return 0;
    object = PyObject_GetAttrString(os, name);
    if (object == NULL)
        return -1;
    result = PyObject_SetAttrString(object, WSGI_ENVIRON_DATA, data);
    Py_DECREF(object);
    return result;
}

int wsgi_osenviron_install(wsgi_interp *interp)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *posix = PyImport_ImportModule("posix");
    PyObject *data = new_data();
    int result = -1;

    if (os != NULL && posix != NULL && data != NULL &&
        PyObject_SetAttrString(posix, "environ", data) == 0 &&
        use_data(os, "environ", data) == 0)
        result = use_data(os, "environb", data);
    Py_XDECREF(os);
    Py_XDECREF(posix);
    interp->os_environ = data;
    return result;
}
