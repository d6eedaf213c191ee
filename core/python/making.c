/*
 * making.c - makes an interpreter and prepares it for requests.
 *
 * The Python thread does this (runtime.c), when the first request needs the
 * interpreter.
 */
#include "reports.h"
#include "surroundings.h"

/* ---- The steps -------------------------------------------------------- */

static int make_types(wsgi_interp *interp)
{
    interp->paths = PyList_New(0);
    interp->text_type = wsgi_streams_text_type();
    interp->binary_type = wsgi_streams_binary_type();
    return interp->paths != NULL && interp->text_type != NULL &&
                   interp->binary_type != NULL
               ? 0
               : -1;
}

static int import_modules(wsgi_interp *interp)
{
    /* threading takes this thread for its main thread, so import it here: this
       thread lives as long as the interpreter. Python 2 lists the second in
       its first interpreter only. */
    static const char *const names[] = {"threading", WSGI_EXCEPTIONS};
    PyObject *codec;
    size_t i;

    (void)interp;
    for (i = 0; i < sizeof names / sizeof *names; i++) {
        PyObject *module = PyImport_ImportModule(names[i]);

        if (module == NULL)
            return -1;
        Py_DECREF(module);
    }
    /* Look up a codec, too. In Python 2 the first two threads that do so at
       once disturb each other. */
    codec = PyCodec_Encoder("ascii");
    Py_XDECREF(codec);
    return codec != NULL ? 0 : -1;
}

/* sys.argv is ['mod_wsgi']. Some Pythons set it in the first interpreter only.
 */
static int set_argv(wsgi_interp *interp)
{
    PyObject *argv = Py_BuildValue("[s]", "mod_wsgi");
    int result = -1;

    (void)interp;
    if (argv != NULL)
        result = PySys_SetObject((char *)"argv", argv);
    Py_XDECREF(argv);
    return result;
}

static int install_faults(wsgi_interp *interp)
{
    return wsgi_faults_install(interp);
}

static int install_records(wsgi_interp *interp)
{
    (void)interp;
    return wsgi_records_install();
}

static int ignore_signals(wsgi_interp *interp)
{
    (void)interp;
    return wsgi_signals_ignore();
}

static int make_upper_layers(wsgi_interp *interp)
{
    return wsgi_interp_hooks->made(interp);
}

/* Imports are guarded first, before site could import a customer's files.
   only_in_own marks the steps that change the whole process or its Python:
   they are left out where another module owns Python. */
static const struct step {
    int (*take)(wsgi_interp *interp);
    int only_in_own;
} steps[] = {
    {wsgi_imports_guard, 0},
    {make_types, 0},
    {import_modules, 0},
    {wsgi_osenviron_install, 1},
    {wsgi_fork_watch, 0},
    {wsgi_programs_install, 0},
    {set_argv, 1},
    {wsgi_children_install, 1},
    {wsgi_streams_install, 1},
    {install_faults, 1},
    {install_records, 1},
    {ignore_signals, 1},
    {make_upper_layers, 0},
};

/* Takes the steps in a new interpreter, in which only Python's own library has
   run. site runs later (path.c), so code of .pth files finds all this in
   place. If a step fails, the next attempt goes on with that step, because
   Python's functions must not be replaced twice. */
static int prepare(wsgi_interp *interp)
{
    const int count = sizeof steps / sizeof *steps;

    for (; interp->steps < count; interp->steps++) {
        const struct step *step = &steps[interp->steps];

        if ((!step->only_in_own || !wsgi_process_is_shared()) &&
            step->take(interp) < 0)
            return -1;
    }
    return 0;
}

/* ---- The Python thread ------------------------------------------------ */

typedef struct making {
    const wsgi_request *request;
    wsgi_interp *interp;
    int result;
} making;

static void prepare_or_report(making *m)
{
    char what[512];

    m->result = prepare(m->interp);
    if (m->result == 0)
        return;
    snprintf(what, sizeof what,
             "MW0407: the interpreter '%s' can't be prepared, because this "
             "was raised:",
             m->interp->shown);
    wsgi_errors_report(m->request, what);
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
                 "MW0406: the interpreter '%s' can't be made: %s",
                 m->interp->shown, why);
        return;
    }
    wsgi_states_show(m->interp->first_state);
    m->interp->state = PyThreadState_GetInterpreter(m->interp->first_state);
    prepare_or_report(m);
    if (m->result == 0)
        wsgi_turns_begin(m->interp);
    if (m->interp->first_state != main_state) {
        PyEval_SaveThread();
        wsgi_states_enter(main_state);
    }
}

/* For an interpreter that another module owns. Runs on the Python thread. The
   state that comes with it is kept, since some Pythons can't make a state in
   an interpreter that has none. */
static void make_foreign(void *arg)
{
    making *m = arg;

    m->result = -1;
    m->interp->state = wsgi_process_given.find_interp(m->interp->name);
    if (m->interp->state == NULL)
        return;
    m->interp->first_state = PyThreadState_Get();
    wsgi_states_prepare();
    wsgi_states_show(m->interp->first_state);
    prepare_or_report(m);
    PyEval_SaveThread();
}

const char *wsgi_making_shown_part(const char *name)
{
    const char *mark = strstr(name, WSGI_OWNER_MARK);

    return mark != NULL ? mark + strlen(WSGI_OWNER_MARK) : name;
}

/* ---- Who asks --------------------------------------------------------- */

/* Interpreters that could not be made or prepared, and can't be ended:
   Python's first one, another module's, and records without a Python
   interpreter. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static wsgi_interp *unfinished;

static wsgi_interp *take_unfinished(const char *name)
{
    wsgi_interp **place = &unfinished, *found;

    pthread_mutex_lock(&lock);
    while (*place != NULL && strcmp((*place)->name, name) != 0)
        place = &(*place)->next;
    found = *place;
    if (found != NULL)
        *place = found->next;
    pthread_mutex_unlock(&lock);
    return found;
}

static void put_unfinished(wsgi_interp *interp)
{
    pthread_mutex_lock(&lock);
    interp->next = unfinished;
    unfinished = interp;
    pthread_mutex_unlock(&lock);
}

/* An interpreter that was made, but could not be prepared, ends like a retired
   one. */
static void give_up(wsgi_interp *interp)
{
    if (interp->first_state != NULL && !wsgi_process_is_shared() &&
        strcmp(interp->name, WSGI_MAIN_INTERPRETER) != 0) {
        wsgi_interp_retire(interp);
        return;
    }
    put_unfinished(interp);
    wsgi_interp_forget_one();
}

/* The user an interpreter belongs to, or -1. */
static long long owner_of(const wsgi_interp *interp)
{
    if (wsgi_process_given.has_owner)
        return wsgi_process_given.owner;
    return interp->shown != interp->name ? strtoll(interp->name, NULL, 10)
                                         : -1;
}

/* A record with nothing but the name, or NULL when memory is out. */
static wsgi_interp *new_named(const char *name)
{
    wsgi_interp *interp = calloc(1, sizeof *interp);

    if (interp == NULL || (interp->name = strdup(name)) == NULL) {
        free(interp);
        return NULL;
    }
    interp->shown = wsgi_making_shown_part(interp->name);
    interp->owner = owner_of(interp);
    interp->needs_site = !wsgi_process_is_shared();
    pthread_mutex_init(&interp->loading, NULL);
    return interp;
}

/* An interpreter that can't be prepared is not freed, for Python may hold
   pointers into the record. */
wsgi_interp *wsgi_making_new(const wsgi_request *request,
                             const wsgi_settings *settings, const char *name,
                             int is_pooled)
{
    wsgi_interp *interp = take_unfinished(name);
    making m = {.request = request};

    if (interp == NULL && (interp = new_named(name)) == NULL) {
        wsgi_log(request, WSGI_ERROR, "MW0001: out of memory");
        wsgi_interp_forget_one();
        return NULL;
    }
    clock_gettime(CLOCK_REALTIME_COARSE, &interp->born);
    interp->own_gil = settings->own_gil;
    interp->is_pooled = is_pooled;
    m.interp = interp;
    wsgi_jobs_run(wsgi_process_is_shared() ? make_foreign : make_own, &m);
    if (m.result == 0) {
        wsgi_version_tell(request, settings, interp);
        return interp;
    }
    give_up(interp);
    return NULL;
}
