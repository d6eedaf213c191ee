/*
 * records.c - the module mod_wsgi_log, whose Handler writes what the module
 * logging is given.
 *
 * A stream knows no levels, so all that is written to it is logged as errors.
 * The Handler passes on the level of a record, and names the request. The
 * module is in sys.modules from the beginning, and makes the Handler only when
 * it is asked for, because importing logging takes long.
 */
#include "reports.h"

static const char source[] =
    "import sys\n"
    "class Module(type(sys)):\n"
    "    def __getattr__(self, name):\n"
    "        if name != 'Handler':\n"
    "            raise AttributeError(name)\n"
    "        import logging\n"
    "        class Handler(logging.Handler):\n"
    "            'Writes to the error log of the Apache that serves.'\n"
    "            def emit(self, record):\n"
    "                try:\n"
    "                    write(record.levelno, self.format(record))\n"
    "                except Exception:\n"
    "                    self.handleError(record)\n"
    "        self.Handler = Handler\n"
    "        return Handler\n"
    "sys.modules[__name__] = Module(__name__)\n";

/* The level of the server for one of logging's, which are 10 for DEBUG to 50
   for CRITICAL. */
static enum wsgi_level level_for(Py_ssize_t number)
{
    if (number >= 50)
        return WSGI_CRITICAL;
    if (number >= 40)
        return WSGI_ERROR;
    if (number >= 30)
        return WSGI_WARNING;
    return number >= 20 ? WSGI_INFO : WSGI_DEBUG;
}

/* Logs bytes, the first line with the path of the request that this thread
   serves, if there is one. */
static int log_bytes(enum wsgi_level level, PyObject *bytes)
{
    const wsgi_request *request = wsgi_thread_request();
    PyObject *lines = request != NULL
                          ? PyBytes_FromFormat("[%s] ", request->uri)
                          : PyBytes_FromString("");

    PyBytes_Concat(&lines, bytes);
    if (lines == NULL)
        return -1;
    if (!wsgi_process_is_over())
        wsgi_errors_lines(request, level, PyBytes_AS_STRING(lines),
                          (size_t)PyBytes_GET_SIZE(lines));
    Py_DECREF(lines);
    return 0;
}

WSGI_FUNCTION(write_record)
{
    PyObject *bytes;
    Py_ssize_t number;
    int result;

    (void)self;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "write(number of a level, text)");
        return NULL;
    }
    number = PyNumber_AsSsize_t(args[0], NULL);
    if (number == -1 && PyErr_Occurred())
        return NULL;
    bytes = wsgi_text_bytes(args[1]);
    if (bytes == NULL)
        return NULL;
    result = log_bytes(level_for(number), bytes);
    Py_DECREF(bytes);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef method = {"write", WSGI_METHOD(write_record), WSGI_FAST,
                             "write(number of a level, text)"};

int wsgi_records_install(void)
{
    PyObject *function = PyCFunction_New(&method, NULL);
    PyObject *name = wsgi_native_name("mod_wsgi_log");
    PyObject *builtins = PyImport_ImportModule(WSGI_BUILTINS);
    PyObject *names = PyDict_New(), *result = NULL;

    if (function != NULL && name != NULL && builtins != NULL &&
        names != NULL &&
        PyDict_SetItemString(names, "__builtins__", builtins) == 0 &&
        PyDict_SetItemString(names, "write", function) == 0 &&
        PyDict_SetItemString(names, "__name__", name) == 0)
        result = PyRun_String(source, Py_file_input, names, names);
    Py_XDECREF(names);
    Py_XDECREF(builtins);
    Py_XDECREF(name);
    Py_XDECREF(function);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}
