/*
 * errors.c - makes lines of the error log from exceptions.
 *
 * Python's module traceback makes the text of an exception. An application may
 * have replaced that module's functions, and exceptions may be objects of its
 * own. So a result is checked before it is used. If it is not text, the log
 * only has the exception's type.
 */
#include "reports.h"

/* The result of traceback.format_exception: a tuple, or NULL. */
static PyObject *format_exception(PyObject *type, PyObject *value,
                                  PyObject *traceback)
{
    PyObject *module = PyImport_ImportModule("traceback");
    PyObject *lines = NULL, *copy = NULL;

    if (module != NULL)
        lines = PyObject_CallMethod(
            module, (char *)"format_exception", (char *)"OOO", type,
            value ? value : Py_None, traceback ? traceback : Py_None);
    Py_XDECREF(module);
    if (lines != NULL && PyList_Check(lines))
        copy = PyList_AsTuple(lines);
    PyErr_Clear();
    Py_XDECREF(lines);
    return copy;
}

void wsgi_errors_lines(const wsgi_request *request, enum wsgi_level level,
                       const char *text, size_t size)
{
    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        size_t part = newline != NULL ? (size_t)(newline - text) : size;

        if (part > 0)
            wsgi_flood_line(request, level, text, part);
        part += newline != NULL;
        text += part;
        size -= part;
    }
}

/* Logs one text of one or more lines. Returns whether it is text. */
static int log_text(const wsgi_request *request, enum wsgi_level level,
                    PyObject *text)
{
    PyObject *bytes = wsgi_text_bytes(text);

    if (bytes == NULL) {
        PyErr_Clear();
        return 0;
    }
    wsgi_errors_lines(request, level, PyBytes_AS_STRING(bytes),
                      (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    return 1;
}

int wsgi_errors_log(const wsgi_request *request, enum wsgi_level level,
                    PyObject *texts)
{
    int count = 0;
    Py_ssize_t i;

    if (request != NULL && request->recalled != NULL)
        return 1; /* the first request will log it */
    for (i = 0; texts != NULL && i < PyTuple_GET_SIZE(texts); i++)
        count += log_text(request, level, PyTuple_GET_ITEM(texts, i));
    return count;
}

/* In Python 2 a load holds the only import lock, and importing here would wait
   for it. The module is already there, because threading imports it. */
static PyObject *traceback_module(void)
{
    PyObject *module = wsgi_dict_get(PyImport_GetModuleDict(), "traceback");

    return module != NULL ? module : PyImport_ImportModule("traceback");
}

PyObject *wsgi_errors_stack(PyThreadState *state, unsigned long thread)
{
    PyObject *frame = wsgi_python_frame(state, thread);
    PyObject *module = frame != NULL ? traceback_module() : NULL;
    PyObject *lines = NULL, *texts = NULL;

    if (module != NULL)
        lines = PyObject_CallMethod(module, (char *)"format_stack",
                                    (char *)"O", frame);
    if (lines != NULL)
        texts = PySequence_Tuple(lines);
    PyErr_Clear();
    Py_XDECREF(lines);
    Py_XDECREF(module);
    Py_XDECREF(frame);
    return texts;
}

/* The name of an exception's type. */
static const char *name_of(PyObject *type)
{
    return PyType_Check(type) ? ((PyTypeObject *)type)->tp_name
                              : "an exception of an old kind";
}

PyObject *wsgi_errors_texts(void)
{
    PyObject *type, *value, *traceback, *texts;

    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    texts = format_exception(type, value, traceback);
    PyErr_Restore(type, value, traceback);
    return texts;
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
    if (wsgi_errors_log(request, WSGI_ERROR, texts) == 0)
        wsgi_log(request, WSGI_ERROR,
                 "MW0420: %s (the module traceback had no text for it)",
                 name_of(type));
    wsgi_binding_hint(request, type, value, traceback);
    Py_XDECREF(texts);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    PyErr_Clear();
}
