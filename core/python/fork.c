/*
 * fork.c - copies of this process that applications fork.
 *
 * A copy has but the thread that forked, and is no process of the server's. It
 * keeps no listening socket: nobody could start the server again while it
 * lives. It serves no request, but ends where it comes out of the
 * application's code: the server does not know of it, and the client's
 * connection is its original's.
 *
 * The handler of a fork runs in the copy before Python's own. Python from 3.8
 * on ends all interpreters but its first one then, and until 3.13 at least it
 * can't: so they are taken out of its list before. In a copy that another
 * interpreter made Python 3.9 to 3.11 ends the process by a signal; 3.8 and
 * later ones refuse to fork there.
 *
 * Programs are started by a fork, too. What is done here does them no harm.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interpreters.h"

#define MOST_DESCRIPTORS 65536

/* A socket is known by its number in the file system of sockets: an
   application may have one of its own behind the same descriptor. */
typedef struct listener {
    int fd;
    dev_t device;
    ino_t number;
} listener;

static listener *listeners;
static size_t listener_count;
static int is_copy;

/* Whether the calling thread is in os.fork() and the like, and where. */
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

/* No lock of this process can be counted on: a thread that is not here may
   have it. */
static void say(const char *line)
{
    if (write(STDERR_FILENO, line, strlen(line)) < 0)
        errno = 0; /* there is nobody else to tell */
}

static void after_fork_in_copy(void)
{
    int before = errno;

    is_copy = 1;
    close_listeners();
    if (forking == IN_OTHER)
        _exit(1);
    if (wsgi_python_keep_first() < 0 && forking == IN_FIRST) {
        say("mod_wsgi: a forked copy of the process ends: the list of "
            "Python's interpreters is not where it was looked for\n");
        _exit(1);
    }
    errno = before;
}

/* ---- The end of the copy ---------------------------------------------- */

/* exit() is for the server to call: what is registered for it is the
   server's. A copy gets there when its last thread ends. */
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

/* What sys.exit() was given, as the status of a process. */
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
        wsgi_log_line(request, WSGI_ERROR, PyBytes_AS_STRING(bytes),
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
        wsgi_errors_report(request, "in a copy of the process, which it "
                                    "forked, the application raised an "
                                    "exception:");
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
                 "the application forks in the interpreter '%s', and the copy "
                 "of the process ends at once: this Python can be copied in "
                 "its first interpreter only; set mod_wsgi.interpreter to "
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

/* Makes an object of the class that Python has for its main thread. */
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

/* Called by Python in a copy, when its own modules are ready there. To
   threading the copy's thread is a foreign one up to 3.12, as it was to the
   original: threading._shutdown() fails then, and multiprocessing with it. */
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
