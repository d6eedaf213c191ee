/*
 * making.c - makes an interpreter, and gives it what requests need there.
 *
 * The Python thread does it (runtime.c), when a request asks for the first
 * time.
 */
#include "interpreters.h"

/* sys.argv is ['mod_wsgi']; some Pythons set it in the first interpreter
   only. */
static int set_argv(void)
{
    PyObject *argv = Py_BuildValue("[s]", "mod_wsgi");
    int result = -1;

    if (argv != NULL)
        result = PySys_SetObject((char *)"argv", argv);
    Py_XDECREF(argv);
    return result;
}

/* What of an interpreter's modules is the process's: not for us to change
   where another module owns it. */
static int prepare_modules(wsgi_interp *interp)
{
    /* The first has its "main thread" here, which lives as long as the
       interpreter; Python 2 lists the second in its first interpreter only. */
    static const char *const names[] = {"threading", WSGI_EXCEPTIONS};
    PyObject *codec;
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *module = PyImport_ImportModule(names[i]);

        if (module == NULL)
            return -1;
        Py_DECREF(module);
    }
    /* Codecs, too: in Python 2 the first two threads to want one disturb each
       other. */
    codec = PyCodec_Encoder("ascii");
    if (codec == NULL)
        return -1;
    Py_DECREF(codec);
    if (!wsgi_process_is_shared() && wsgi_osenviron_install(interp) < 0)
        return -1;
    if (wsgi_fork_watch(interp) < 0 || wsgi_programs_install(interp) < 0)
        return -1;
    if (wsgi_process_is_shared())
        return 0;
    return set_argv() == 0 && wsgi_children_install(interp) == 0 &&
                   wsgi_streams_install(interp) == 0 &&
                   wsgi_faults_install() == 0
               ? wsgi_signals_ignore()
               : -1;
}

/* Gives a new interpreter what requests need there. Nothing but Python's own
   library has run in it. Site comes last (path.c): what the code of .pth files
   starts has all this, too. */
static int prepare(wsgi_interp *interp)
{
    interp->paths = PyList_New(0);
    interp->text_type = wsgi_streams_text_type();
    interp->binary_type = wsgi_streams_binary_type();
    if (interp->paths == NULL || interp->text_type == NULL ||
        interp->binary_type == NULL || prepare_modules(interp) < 0)
        return -1;
    return wsgi_interp_hooks->made(interp);
}

typedef struct making {
    const wsgi_request *request;
    wsgi_interp *interp;
    int result;
} making;

/* A customer's files are guarded before the first of them can be imported,
   which is by site. */
static void prepare_or_report(making *m)
{
    m->result = wsgi_imports_guard(m->interp);
    if (m->result == 0)
        m->result = prepare(m->interp);
    if (m->result < 0)
        wsgi_errors_report(m->request, "an interpreter can't be prepared");
}

/* On the Python thread, with the main interpreter's state current. */
static void make_own(void *arg)
{
    making *m = arg;
    PyThreadState *main_state = PyThreadState_Get();
    char why[256];

    m->result = -1;
    if (strcmp(m->interp->name, WSGI_MAIN_INTERPRETER) == 0)
        m->interp->first_state = main_state;
    else
        m->interp->first_state =
            wsgi_python_new_interp(m->interp->own_gil, why, sizeof why);
    if (m->interp->first_state == NULL) {
        wsgi_log(m->request, WSGI_ERROR,
                 "the interpreter '%s' can't be made: %s", m->interp->shown,
                 why);
        return;
    }
    m->interp->state = PyThreadState_GetInterpreter(m->interp->first_state);
    prepare_or_report(m);
    if (m->result == 0)
        wsgi_turns_begin(m->interp);
    if (m->interp->first_state != main_state) {
        PyEval_SaveThread();
        PyEval_RestoreThread(main_state);
    }
}

/* On the Python thread: an interpreter that another module owns. The state it
   comes with is kept, since some Pythons can't make one where there is none.
 */
static void make_foreign(void *arg)
{
    making *m = arg;

    m->result = -1;
    m->interp->state = wsgi_process_given.find_interp(m->interp->name);
    if (m->interp->state == NULL)
        return;
    m->interp->first_state = PyThreadState_Get();
    prepare_or_report(m);
    PyEval_SaveThread();
}

const char *wsgi_making_shown_part(const char *name)
{
    const char *mark = strstr(name, WSGI_OWNER_MARK);

    return mark != NULL ? mark + strlen(WSGI_OWNER_MARK) : name;
}

/* What could be made, but not prepared, ends as a retired one does. */
static void give_up(wsgi_interp *interp)
{
    if (interp->first_state != NULL && !wsgi_process_is_shared() &&
        strcmp(interp->name, WSGI_MAIN_INTERPRETER) != 0)
        wsgi_interp_retire(interp);
    else
        wsgi_interp_forget_one();
}

/* One that can't be prepared is not freed: Python may hold pointers into it.
 */
wsgi_interp *wsgi_making_new(const wsgi_request *request,
                             const wsgi_settings *settings, const char *name,
                             int is_pooled)
{
    wsgi_interp *interp = calloc(1, sizeof *interp);
    making m = {.request = request, .interp = interp};

    if (interp == NULL || (interp->name = strdup(name)) == NULL) {
        wsgi_log(request, WSGI_ERROR, "out of memory");
        free(interp);
        wsgi_interp_forget_one();
        return NULL;
    }
    interp->shown = wsgi_making_shown_part(interp->name);
    interp->owner =
        interp->shown != interp->name ? strtol(interp->name, NULL, 10) : -1;
    clock_gettime(CLOCK_REALTIME_COARSE, &interp->born);
    interp->own_gil = settings->own_gil;
    interp->is_pooled = is_pooled;
    interp->needs_site = !wsgi_process_is_shared();
    pthread_mutex_init(&interp->loading, NULL);
    wsgi_jobs_run(wsgi_process_is_shared() ? make_foreign : make_own, &m);
    if (m.result == 0) {
        wsgi_version_tell(request, settings, interp);
        return interp;
    }
    give_up(interp);
    return NULL;
}
