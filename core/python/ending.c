/*
 * ending.c - ends interpreters, on the Python thread.
 *
 * Before an interpreter can end, the application's threads must be joined and
 * its atexit functions run. A thread made for that (the ender) does so, and
 * nothing else has to wait for it. If the application's threads do not end in
 * time, the interpreter is left as it is, for ending it would end the process.
 */
#include "reports.h"

/* How long the threads of a replaced interpreter may take to end. */
#define PATIENCE_SECONDS 10

/* ---- The thread that ends what an application does -------------------- */

/* Calls module.function() if the module was imported. */
static void call_if_imported(const char *module, const char *function)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *found = PyDict_GetItemString(modules, module);
    PyObject *result;

    if (found == NULL)
        return;
    result = PyObject_CallMethod(found, (char *)function, NULL);
    if (result == NULL)
        wsgi_errors_report(
            NULL, "MW0412: ending threads or atexit functions failed:");
    Py_XDECREF(result);
}

/* threading._shutdown() waits for threading's main thread, unless that thread
   calls it. The main thread is the Python thread, which must not be kept
   waiting. So the ender poses as the main thread. */
static void stand_in(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *main_thread = NULL, *ident = NULL;

    if (threading != NULL)
        main_thread = PyObject_GetAttrString(threading, "_main_thread");
    if (main_thread != NULL)
        ident = PyLong_FromUnsignedLong(
            (unsigned long)PyThread_get_thread_ident());
    if (ident != NULL)
        PyObject_SetAttrString(main_thread, "_ident", ident);
    PyErr_Clear(); /* Python 2 has no such attribute and needs none */
    Py_XDECREF(ident);
    Py_XDECREF(main_thread);
    Py_XDECREF(threading);
}

/* Python itself calls threading._shutdown() again when it ends an interpreter,
   and before 3.8 the second call fails. So replace the function by one that
   does nothing. */
static void be_done_with_threads(void)
{
    PyObject *threading = PyImport_ImportModule("threading");

    if (threading != NULL)
        PyObject_SetAttrString(threading, "_shutdown",
                               (PyObject *)&PyTuple_Type);
    PyErr_Clear();
    Py_XDECREF(threading);
}

static PyObject *end_application(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    stand_in();
    call_if_imported("threading", "_shutdown");
    be_done_with_threads();
    call_if_imported("atexit", "_run_exitfuncs");
    wsgi_streams_flush();
    Py_RETURN_NONE;
}

static PyMethodDef end_method = {"end", WSGI_METHOD(end_application),
                                 METH_NOARGS, NULL};

/* Starts the ender, threading.Thread(target=end). It is a daemon, so joining
   threads leaves it out. Returns NULL if no thread can be had now, and logs
   that once. */
static PyObject *start_ender(int *told)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *end = PyCFunction_New(&end_method, NULL);
    PyObject *thread = NULL, *started = NULL;

    if (threading != NULL && end != NULL)
        thread = PyObject_CallMethod(threading, (char *)"Thread", (char *)"OO",
                                     Py_None, end);
    if (thread != NULL &&
        PyObject_SetAttrString(thread, "daemon", Py_True) == 0)
        started = PyObject_CallMethod(thread, (char *)"start", NULL);
    if (started == NULL) {
        if (!*told)
            wsgi_errors_report(NULL,
                               "MW0413: an interpreter can't be ended yet:");
        *told = 1;
        PyErr_Clear();
        Py_CLEAR(thread);
    }
    Py_XDECREF(started);
    Py_XDECREF(end);
    Py_XDECREF(threading);
    return thread;
}

static int is_running(PyObject *thread)
{
    PyObject *answer = NULL;
    int running = 0;

    if (thread != NULL)
        answer = PyObject_CallMethod(thread, (char *)"is_alive", NULL);
    if (answer != NULL)
        running = PyObject_IsTrue(answer) == 1;
    PyErr_Clear();
    Py_XDECREF(answer);
    return running;
}

/* Begins to end what runs in an interpreter, unless that has begun. The
   interpreter's first state is current. Returns whether the ender runs: there
   may be no thread for it now. */
static int begin(wsgi_interp *interp)
{
    if (interp->deadline == 0)
        interp->deadline = time(NULL) + PATIENCE_SECONDS;
    if (interp->ender == NULL)
        interp->ender = start_ender(&interp->ender_told);
    return interp->ender != NULL;
}

/* ---- Replaced interpreters -------------------------------------------- */

/* Drops the core's references to objects of an interpreter. */
static void clear(wsgi_interp *interp)
{
    wsgi_interp_hooks->ends(interp);
    Py_CLEAR(interp->paths);
    Py_CLEAR(interp->os_environ);
    Py_CLEAR(interp->environ_given);
    Py_CLEAR(interp->environ_told);
    Py_CLEAR(interp->ender);
    Py_CLEAR(interp->text_type);
    Py_CLEAR(interp->binary_type);
}

/* Whether only thread states of ours are left. With others, Python would end
   the process. */
static int is_alone(const wsgi_interp *interp)
{
    PyThreadState *ours = wsgi_atomic_load(&interp->turn_state, WSGI_ACQUIRE);
    PyThreadState *state = PyInterpreterState_ThreadHead(interp->state);

    while (state != NULL && (state == interp->first_state || state == ours))
        state = PyThreadState_Next(state);
    return state == NULL;
}

/* WAITING: look again soon. ASLEEP: look when the Python thread is woken for
   another reason. */
enum progress { WAITING, ASLEEP, READY };

static int is_late(const wsgi_interp *interp)
{
    return time(NULL) >= interp->deadline;
}

/* The application's threads still run. After the deadline they are no longer
   looked at again and again. That is logged once. */
static enum progress wait_for_threads(wsgi_interp *interp)
{
    if (!is_late(interp))
        return WAITING;
    if (!interp->lingers)
        wsgi_log(
            NULL, WSGI_WARNING,
            "MW0411: a replaced interpreter '%s' stays in memory: threads "
            "that the application started in it have not ended in %d seconds, "
            "and go on; daemon threads do so until the process ends, unless a "
            "function registered with atexit ends them",
            interp->shown, PATIENCE_SECONDS);
    interp->lingers = 1;
    return ASLEEP;
}

/* Whether what the application runs has ended, or can't be ended. */
static int is_over(wsgi_interp *interp)
{
    if (!interp->is_over)
        interp->is_over = begin(interp) ? !is_running(interp->ender)
                                        : is_late(interp);
    return interp->is_over;
}

/* Takes an interpreter as far towards its end as it goes now. Its first state
   is current. */
static enum progress step(wsgi_interp *interp)
{
    if (!is_over(interp))
        return wait_for_threads(interp);
    /* Threads of the server drop their slots when they serve their next
       request. */
    if (wsgi_atomic_load(&interp->slots, WSGI_ACQUIRE) > 0)
        return ASLEEP;
    clear(interp);
    if (is_alone(interp))
        return wsgi_turns_end(interp) ? READY : WAITING;
    return wait_for_threads(interp);
}

/* Takes a step inside the interpreter. Ends it, if that is possible now. */
static enum progress step_inside(wsgi_interp *interp)
{
    PyThreadState *main_state = PyEval_SaveThread();
    enum progress progress;

    wsgi_states_enter(interp->first_state);
    progress = step(interp);
    if (progress == READY) {
        wsgi_python_end_interp(interp->first_state, main_state);
        wsgi_states_show(main_state);
        wsgi_interp_forget_one();
        return READY;
    }
    PyEval_SaveThread();
    wsgi_states_enter(main_state);
    return progress;
}

int wsgi_ending_step(void)
{
    wsgi_interp *interp = wsgi_interp_take_ending(), *next;
    int left = 0;

    for (; interp != NULL; interp = next) {
        enum progress progress = step_inside(interp);

        next = interp->next_ending;
        if (progress == WAITING || progress == ASLEEP)
            wsgi_interp_put_back(interp);
        left |= progress == WAITING;
    }
    return left;
}

/* ---- All of them ------------------------------------------------------ */

/* Goes into an interpreter, begins its end unless that has begun, and comes
   back. Returns whether its end is still under way. */
static int is_ending(wsgi_interp *interp, PyThreadState *main_state)
{
    int running;

    PyEval_SaveThread();
    wsgi_states_enter(interp->first_state);
    begin(interp);
    running = is_running(interp->ender);
    PyEval_SaveThread();
    wsgi_states_enter(main_state);
    return running;
}

/* The registry's lock is not taken: a request that holds it may be waiting for
   the Python thread to make an interpreter, which will not happen any more. */
void wsgi_ending_all(void)
{
    static const struct timespec moment = {.tv_nsec = 2 * WSGI_MS};
    PyThreadState *main_state = PyThreadState_Get();
    int told = 0;
    PyObject *main_ender = start_ender(&told);
    wsgi_interp *interps =
        wsgi_atomic_load(wsgi_interp_serving(), WSGI_ACQUIRE);
    wsgi_interp *interp;
    int running = 1;

    while (running && !wsgi_process_is_late()) {
        running = is_running(main_ender);
        for (interp = interps; interp != NULL; interp = interp->next)
            if (interp->first_state != main_state)
                running |= is_ending(interp, main_state);
        if (running) {
            Py_BEGIN_ALLOW_THREADS
            nanosleep(&moment, NULL);
            Py_END_ALLOW_THREADS
        }
    }
}
