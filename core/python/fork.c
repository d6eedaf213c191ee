/*
 * fork.c - keeps forked copies of the process apart from the server.
 *
 * A copy made by an application has only the thread that forked, and the
 * server does not know about it. It keeps no listening socket, for otherwise
 * nobody could start the server again while it lives. It serves no request,
 * because the client's connection belongs to the original. When the
 * application's code returns, the copy ends.
 *
 * In a copy, Python from 3.8 on ends all interpreters but its first one, and
 * fails at that (up to 3.13 at least). Our handler runs before Python's, and
 * takes the others out of Python's list. If a fork comes from another
 * interpreter, Python 3.9 to 3.11 ends the copy by a signal, and 3.8 and
 * versions after 3.11 refuse to fork.
 *
 * Programs are started by a fork, too. What this file does is harmless to
 * them.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reports.h"
#include "surroundings.h"

#define MOST_DESCRIPTORS 65536

/* A socket is recognised by device and inode, because an application may have
   replaced the one behind a descriptor. */
typedef struct listener {
    int fd;
    dev_t device;
    ino_t number;
} listener;

static listener *listeners;
static size_t listener_count;
static int is_copy;

/* Whether the calling thread is in os.fork() or the like, and in which
   interpreter. */
static __thread enum { NOWHERE, IN_FIRST, IN_OTHER } forking;

int wsgi_fork_is_copy(void)
{
    return is_copy;
}

/* ---- What the server has ---------------------------------------------- */

static int is_listening(int fd)
{
    int answer = 0;
    socklen_t size = sizeof answer;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) == 0 &&
           answer;
}

static void add_listener(int fd)
{
    listener *more =
        realloc(listeners, (listener_count + 1) * sizeof *listeners);
    struct stat status;

    if (more == NULL)
        return;
    listeners = more;
    if (fstat(fd, &status) == 0)
        listeners[listener_count++] = (listener){
            .fd = fd, .device = status.st_dev, .number = status.st_ino};
}

static void find_listeners(void)
{
    long count = sysconf(_SC_OPEN_MAX);
    int fd;

    if (count < 0 || count > MOST_DESCRIPTORS)
        count = MOST_DESCRIPTORS;
    for (fd = 0; fd < count; fd++)
        if (is_listening(fd))
            add_listener(fd);
}

/* ---- In the copy, within fork() --------------------------------------- */

static void close_listeners(void)
{
    struct stat status;
    size_t i;

    for (i = 0; i < listener_count; i++)
        if (fstat(listeners[i].fd, &status) == 0 &&
            status.st_dev == listeners[i].device &&
            status.st_ino == listeners[i].number)
            close(listeners[i].fd);
}

/* Uses no lock: a thread that does not exist in the copy may have it. */
static void say(const char *line)
{
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        errno = 0; /* there is nowhere else to say it */
}

static void after_fork_in_copy(void)
{
    int before = errno;

    is_copy = 1;
    close_listeners();
    if (forking == IN_OTHER)
        _exit(1);
    if (wsgi_python_keep_first() < 0 && forking == IN_FIRST) {
        say("mod_wsgi: MW0419: a forked copy of the process ends: Python's "
            "list of interpreters was not found\n");
        _exit(1);
    }
    errno = before;
}

/* ---- The end of the copy ---------------------------------------------- */

/* Registered with atexit. Its functions are the server's, and not for a copy,
   which gets here when its last thread ends. */
static void end_copy(void)
{
    if (is_copy)
        _exit(0);
}

void wsgi_fork_prepare(void)
{
    find_listeners();
    pthread_atfork(NULL, NULL, after_fork_in_copy);
    atexit(end_copy);
}

/* The argument of sys.exit() as the status of a process. */
static int exit_status(const wsgi_request *request, PyObject *code)
{
    PyObject *text, *bytes = NULL;

    if (code == NULL || code == Py_None)
        return 0;
    if (PyIndex_Check(code))
        return (int)PyNumber_AsSsize_t(code, NULL);
    text = PyObject_Str(code);
    if (text != NULL)
        bytes = wsgi_text_bytes(text);
    if (bytes != NULL)
        wsgi_flood_line(request, WSGI_ERROR, PyBytes_AS_STRING(bytes),
                        (size_t)PyBytes_GET_SIZE(bytes));
    return 1;
}

/* The status for the exception that is set, or for none. */
static int status_of_error(const wsgi_request *request)
{
    PyObject *type, *value, *traceback;

    if (PyErr_Occurred() == NULL)
        return 0;
    if (!PyErr_ExceptionMatches(PyExc_SystemExit)) {
        wsgi_errors_report(request,
                           "MW0418: in a copy of the process, which it "
                           "forked, the application raised an exception:");
        return 1;
    }
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    return exit_status(request, PyObject_GetAttrString(value, "code"));
}

void wsgi_fork_leave(const wsgi_request *request)
{
    int status;

    if (!is_copy)
        return;
    status = status_of_error(request);
    wsgi_streams_flush();
    _exit(status);
}

/* ---- Python's own forks ----------------------------------------------- */

/* Called by Python in the original, before it forks. */
static PyObject *before_fork(PyObject *address, PyObject *unused)
{
    const wsgi_interp *interp = PyLong_AsVoidPtr(address);

    (void)unused;
    forking = IN_FIRST;
    if (strcmp(interp->name, WSGI_MAIN_INTERPRETER) != 0) {
        forking = IN_OTHER;
        wsgi_log(wsgi_thread_request(), WSGI_ERROR,
                 "MW0417: the application forks in the interpreter '%s', and "
                 "the copy of the process ends at once: this Python can fork "
                 "only in its first interpreter; set mod_wsgi.interpreter to "
                 "main_interpreter",
                 interp->shown);
    }
    Py_RETURN_NONE;
}

static PyObject *after_fork(PyObject *address, PyObject *unused)
{
    (void)address;
    (void)unused;
    forking = NOWHERE;
    Py_RETURN_NONE;
}

/* Makes a thread object one of the class of the main thread. */
static void make_main_thread(PyObject *threading, PyObject *thread)
{
    PyObject *main_class = PyObject_GetAttrString(threading, "_MainThread");
    PyObject *done = NULL;

    if (main_class != NULL &&
        PyObject_SetAttrString(thread, "__class__", main_class) == 0 &&
        PyObject_SetAttrString(thread, "_daemonic", Py_False) == 0)
        done = PyObject_CallMethod(thread, (char *)"_set_tstate_lock", NULL);
    Py_XDECREF(done);
    Py_XDECREF(main_class);
}

/* Called by Python in a copy, when Python's modules are ready there. Up to
   3.12, threading takes the copy's only thread for a foreign one, as in the
   original. Then threading._shutdown() fails, and multiprocessing with it. */
static PyObject *begin_copy(PyObject *address, PyObject *unused)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *thread = NULL, *foreign = NULL;

    (void)address;
    (void)unused;
    forking = NOWHERE;
    if (threading != NULL) {
        thread = PyObject_GetAttrString(threading, "_main_thread");
        foreign = PyObject_GetAttrString(threading, "_DummyThread");
    }
    if (thread != NULL && foreign != NULL &&
        PyObject_IsInstance(thread, foreign) == 1)
        make_main_thread(threading, thread);
    PyErr_Clear();
    Py_XDECREF(foreign);
    Py_XDECREF(thread);
    Py_XDECREF(threading);
    Py_RETURN_NONE;
}

static PyMethodDef before_method = {"before_fork", WSGI_METHOD(before_fork),
                                    METH_NOARGS, NULL};
static PyMethodDef after_method = {"after_fork", WSGI_METHOD(after_fork),
                                   METH_NOARGS, NULL};
static PyMethodDef begin_method = {"begin_copy", WSGI_METHOD(begin_copy),
                                   METH_NOARGS, NULL};

/* os.register_at_fork(**hooks) */
static int register_hooks(PyObject *hooks)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *function = NULL, *nothing = PyTuple_New(0), *result = NULL;

    if (os != NULL)
        function = PyObject_GetAttrString(os, "register_at_fork");
    if (function != NULL && nothing != NULL)
        result = PyObject_Call(function, nothing, hooks);
    Py_XDECREF(result);
    Py_XDECREF(nothing);
    Py_XDECREF(function);
    Py_XDECREF(os);
    return result != NULL ? 0 : -1;
}

int wsgi_fork_watch(wsgi_interp *interp)
{
    PyObject *address, *before = NULL, *after = NULL, *hooks = NULL;
    PyObject *begin = NULL;
    int result = -1;

    if (!WSGI_FORKS_IN_FIRST_ONLY)
        return 0;
    address = PyLong_FromVoidPtr(interp);
    if (address != NULL) {
        before = PyCFunction_New(&before_method, address);
        after = PyCFunction_New(&after_method, address);
        begin = PyCFunction_New(&begin_method, address);
    }
    if (before != NULL && after != NULL && begin != NULL)
        hooks = Py_BuildValue("{sOsOsO}", "before", before, "after_in_parent",
                              after, "after_in_child", begin);
    if (hooks != NULL)
        result = register_hooks(hooks);
    Py_XDECREF(hooks);
    Py_XDECREF(begin);
    Py_XDECREF(after);
    Py_XDECREF(before);
    Py_XDECREF(address);
    return result;
}
