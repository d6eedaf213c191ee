/*
 * programs.c - the signals and open files of programs, copies and threads that
 * applications start.
 *
 * A server blocks signals in its threads, ignores some, handles others, and
 * has sockets and logs open. Programs that an application starts get the
 * signals that the server itself was started with, and three open files.
 *
 * A server's thread must never unblock a signal, not even for a moment: the
 * thread that waits for the signal would miss it. So the mask is set in the
 * copy, not in the thread that makes the copy: by a handler after fork(), and
 * by an attribute of posix_spawn(). vfork() and the C library's system() and
 * popen() offer neither. So subprocess is made to use fork(), and system() and
 * Python 2's popen() are replaced.
 *
 * An application's threads block all signals. On a server without threads, the
 * only thread blocks none, and the kernel would deliver some of the process's
 * signals to the application's threads.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "surroundings.h"

#define MOST_FILES 65536L

/* The signals that the server was started with. */
static int is_noted;
static sigset_t mask, ignored;

/* The server's actions for signals when Python starts. */
static struct sigaction servers[NSIG];
static sigset_t changed; /* reset to the default action for programs */

/* ---- Signals ---------------------------------------------------------- */

static int is_ignored(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_IGN;
}

static int is_default(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler == SIG_DFL;
}

void wsgi_note_signals(void)
{
    struct sigaction action;
    int i;

    if (is_noted)
        return;
    is_noted = 1;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sigemptyset(&ignored);
    for (i = 1; i < NSIG; i++)
        if (sigaction(i, NULL, &action) == 0 && is_ignored(&action))
            sigaddset(&ignored, i);
}

/* Whether programs are to ignore a signal that the server ignores. Python
   programs ignore SIGPIPE anyway. Apache 1.3 sends SIGUSR1 to its whole
   process group for a graceful restart, and ignores it during a request. */
static int stays_ignored(int number)
{
    return number == SIGPIPE || number == SIGUSR1 ||
           sigismember(&ignored, number) == 1;
}

static void look_at_servers_actions(void)
{
    int i;

    sigemptyset(&changed);
    for (i = 1; i < NSIG; i++)
        if (sigaction(i, NULL, &servers[i]) == 0 && !is_default(&servers[i]) &&
            !(is_ignored(&servers[i]) && stays_ignored(i)))
            sigaddset(&changed, i);
}

/* Restores the default, unless the application has set another action. */
static void reset_action(int number)
{
    struct sigaction action;

    if (sigaction(number, NULL, &action) == 0 &&
        action.sa_handler == servers[number].sa_handler)
        signal(number, SIG_DFL);
}

static void after_fork_in_copy(void)
{
    int i;

    for (i = 1; i < NSIG; i++)
        if (sigismember(&changed, i) == 1)
            reset_action(i);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
}

/* ---- Open files ------------------------------------------------------- */

static void close_on_exec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    if (flags >= 0 && !(flags & FD_CLOEXEC))
        fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
}

static void close_each_on_exec(void)
{
    struct rlimit limit = {.rlim_cur = MOST_FILES};
    int fd;

    getrlimit(RLIMIT_NOFILE, &limit);
    for (fd = 3; (rlim_t)fd < limit.rlim_cur && fd < MOST_FILES; fd++)
        close_on_exec(fd);
}

/* The server's own programs (CGI) get their files by dup2, which clears this
   flag. */
static void close_all_on_exec(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *item;

    if (dir == NULL) {
        close_each_on_exec();
        return;
    }
    while ((item = readdir(dir)) != NULL) {
        long fd = strtol(item->d_name, NULL, 10);

        if (fd > 2)
            close_on_exec((int)fd);
    }
    closedir(dir);
}

void wsgi_programs_prepare(void)
{
    look_at_servers_actions();
    close_all_on_exec();
    pthread_atfork(NULL, NULL, after_fork_in_copy);
}

/* ---- subprocess, posix_spawn ------------------------------------------ */

/* Each of these functions replaces one of Python's, which is its self. */

static PyObject *fork_exec(PyObject *original, PyObject *args)
{
    PyObject *changed_args = wsgi_without_vfork(args), *result = NULL;

    if (changed_args != NULL)
        result = PyObject_CallObject(original, changed_args);
    Py_XDECREF(changed_args);
    return result;
}

static int add_number(PyObject *list, int number)
{
    PyObject *item = Py_BuildValue("i", number);
    int result = item != NULL ? PyList_Append(list, item) : -1;

    Py_XDECREF(item);
    return result;
}

/* A list of the signals in a set and those in given, which may be NULL. */
static PyObject *list_signals(const sigset_t *set, PyObject *given)
{
    PyObject *list = given != NULL ? PySequence_List(given) : PyList_New(0);
    int i, result = list != NULL ? 0 : -1;

    for (i = 1; i < NSIG && result == 0; i++)
        if (sigismember(set, i) == 1)
            result = add_number(list, i);
    if (result < 0)
        Py_CLEAR(list);
    return list;
}

/* Sets an argument, and drops the reference. NULL is a failure. */
static int set_argument(PyObject *dict, const char *name, PyObject *value)
{
    int result = value != NULL ? PyDict_SetItemString(dict, name, value) : -1;

    Py_XDECREF(value);
    return result;
}

static PyObject *spawn(PyObject *original, PyObject *args, PyObject *kw)
{
    static const char set_mask[] = "setsigmask", set_default[] = "setsigdef";
    PyObject *all = kw != NULL ? PyDict_Copy(kw) : PyDict_New();
    PyObject *result = NULL;

    if (all != NULL &&
        (PyDict_GetItemString(all, set_mask) != NULL ||
         set_argument(all, set_mask, list_signals(&mask, NULL)) == 0) &&
        set_argument(all, set_default,
                     list_signals(&changed, PyDict_GetItemString(
                                                all, set_default))) == 0)
        result = PyObject_Call(original, args, all);
    Py_XDECREF(all);
    return result;
}

/* ---- Threads ---------------------------------------------------------- */

static PyObject *start_thread(PyObject *function, PyObject *args, PyObject *kw)
{
    sigset_t others, before;
    PyObject *result;

    wsgi_process_fill_signals(&others);
    pthread_sigmask(SIG_BLOCK, &others, &before);
    result = PyObject_Call(function, args, kw);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result;
}

/* ---- system and popen ------------------------------------------------- */

/* The environment of a shell. */
typedef struct surroundings {
    PyObject *strings; /* owns the entries; NULL: they are environ */
    char **entries;
} surroundings;

/* Makes the environment for an interpreter's shell. data is the dict behind
   os.environ, or None in another module's interpreter, which uses the
   process's. Returns 0, or -1 with an exception set. */
static int take_surroundings(PyObject *data, surroundings *env)
{
    Py_ssize_t i, count;

    *env = (surroundings){.entries = WSGI_ENVIRON};
    if (data == Py_None)
        return 0;
    env->strings = wsgi_children_strings(data);
    if (env->strings == NULL)
        return -1;
    count = PyList_GET_SIZE(env->strings);
    env->entries = calloc((size_t)count + 1, sizeof *env->entries);
    if (env->entries == NULL) {
        Py_CLEAR(env->strings);
        PyErr_NoMemory();
        return -1;
    }
    for (i = 0; i < count; i++)
        env->entries[i] = PyBytes_AS_STRING(PyList_GET_ITEM(env->strings, i));
    return 0;
}

static void drop_surroundings(surroundings *env)
{
    if (env->strings != NULL)
        free(env->entries);
    Py_XDECREF(env->strings);
}

/* Starts the system's shell with a command. Returns the process, or -1 with
   errno. */
static pid_t start_shell(const char *command, char *const *entries,
                         const posix_spawn_file_actions_t *files)
{
    char *argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
    posix_spawnattr_t attributes;
    pid_t pid = -1;
    int error = posix_spawnattr_init(&attributes);

    if (error == 0) {
        posix_spawnattr_setsigmask(&attributes, &mask);
        posix_spawnattr_setsigdefault(&attributes, &changed);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETSIGDEF);
        error =
            posix_spawn(&pid, "/bin/sh", files, &attributes, argv, entries);
        posix_spawnattr_destroy(&attributes);
    }
    errno = error;
    return error == 0 ? pid : -1;
}

static int wait_for(pid_t pid)
{
    int status = -1;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

/* Unlike the C library's system(), this does not change the process's actions
   for SIGINT and SIGQUIT, which are the server's. */
static PyObject *run_command(PyObject *data, PyObject *args, PyObject *kw)
{
    PyObject *command = wsgi_parse_command(args, kw);
    surroundings env;
    int status = -1;
    pid_t pid;

    if (command == NULL || take_surroundings(data, &env) < 0) {
        Py_XDECREF(command);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    pid = start_shell(PyBytes_AS_STRING(command), env.entries, NULL);
    if (pid >= 0)
        status = wait_for(pid);
    Py_END_ALLOW_THREADS
    drop_surroundings(&env);
    Py_DECREF(command);
    return Py_BuildValue("i", status);
}

/* A pipe's file and the process at its other end. */
typedef struct pipe_end {
    struct pipe_end *next;
    FILE *file;
    pid_t pid;
} pipe_end;

static pthread_mutex_t pipe_lock = PTHREAD_MUTEX_INITIALIZER;
static pipe_end *pipes;

static pid_t forget_pipe(FILE *file)
{
    pipe_end **place = &pipes, *found;
    pid_t pid = -1;

    pthread_mutex_lock(&pipe_lock);
    while (*place != NULL && (*place)->file != file)
        place = &(*place)->next;
    found = *place;
    if (found != NULL) {
        *place = found->next;
        pid = found->pid;
        free(found);
    }
    pthread_mutex_unlock(&pipe_lock);
    return pid;
}

static int close_pipe(FILE *file)
{
    pid_t pid = forget_pipe(file);

    return fclose(file) == 0 && pid >= 0 ? wait_for(pid) : -1;
}

static void add_pipe(pipe_end *end)
{
    pthread_mutex_lock(&pipe_lock);
    end->next = pipes;
    pipes = end;
    pthread_mutex_unlock(&pipe_lock);
}

/* Starts a command that has fd for its standard input or output. Returns the
   process, or -1 with errno. */
static pid_t start_with(const char *command, char *const *entries, int fd,
                        int standard)
{
    posix_spawn_file_actions_t files;
    pid_t pid = -1;
    int error = posix_spawn_file_actions_init(&files);

    errno = error;
    if (error != 0)
        return -1;
    errno = posix_spawn_file_actions_adddup2(&files, fd, standard);
    if (errno == 0)
        pid = start_shell(command, entries, &files);
    error = errno;
    posix_spawn_file_actions_destroy(&files);
    errno = error;
    return pid;
}

/* Fills in the end of a pipe and starts the command at the other one. Returns
   0, or -1 with errno and nothing left over. The command comes last, for one
   that runs could not be taken back. */
static int connect_pipe(pipe_end *end, const char *command,
                        char *const *entries, int reads)
{
    int ends[2], error;

    if (wsgi_fd_pipe(ends) < 0)
        return -1;
    end->pid = -1;
    end->file = fdopen(ends[!reads], reads ? "r" : "w");
    if (end->file != NULL)
        end->pid = start_with(command, entries, ends[reads], reads);
    error = errno;
    close(ends[reads]);
    if (end->file == NULL)
        close(ends[!reads]);
    else if (end->pid < 0)
        fclose(end->file);
    errno = error;
    return end->pid < 0 ? -1 : 0;
}

/* Starts a command whose input or output is a new pipe. Returns our end, or
   NULL with errno. */
static FILE *open_pipe(const char *command, char *const *entries, int reads)
{
    pipe_end *end = malloc(sizeof *end);
    int error;

    if (end == NULL)
        return NULL;
    if (connect_pipe(end, command, entries, reads) == 0) {
        add_pipe(end);
        return end->file;
    }
    error = errno;
    free(end);
    errno = error;
    return NULL;
}

/* Python 2's os.popen. */
static PyObject *run_piped(PyObject *data, PyObject *args)
{
    const char *command, *mode = "r";
    int buffering = -1, reads;
    surroundings env;
    PyObject *object;
    FILE *file;

    if (!PyArg_ParseTuple(args, "s|si:popen", &command, &mode, &buffering))
        return NULL;
    reads = mode[0] == 'r';
    if (!reads && mode[0] != 'w')
        return PyErr_Format(PyExc_ValueError, "invalid mode");
    if (take_surroundings(data, &env) < 0)
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    file = open_pipe(command, env.entries, reads);
    Py_END_ALLOW_THREADS
    if (file == NULL)
        PyErr_SetFromErrno(PyExc_OSError);
    drop_surroundings(&env);
    if (file == NULL)
        return NULL;
    object = wsgi_file(file, command, mode, buffering, close_pipe);
    if (object == NULL)
        close_pipe(file);
    return object;
}

/* ---- Interpreters ----------------------------------------------------- */

static PyMethodDef fork_exec_method = {"fork_exec", fork_exec, METH_VARARGS,
                                       NULL};
static PyMethodDef spawn_methods[] = {
    {"posix_spawn", WSGI_METHOD(spawn), METH_VARARGS | METH_KEYWORDS, NULL},
    {"posix_spawnp", WSGI_METHOD(spawn), METH_VARARGS | METH_KEYWORDS, NULL},
    {NULL, NULL, 0, NULL}};
static PyMethodDef shell_methods[] = {
    {"system", WSGI_METHOD(run_command), METH_VARARGS | METH_KEYWORDS,
     "system(command) - runs a command in the system's shell"},
    {WSGI_OLD_POPEN, run_piped, METH_VARARGS,
     "popen(command [, mode='r' [, bufsize]]) - a pipe to or from a command"},
    {NULL, NULL, 0, NULL}};

/* Functions that start a thread, and their names in the module threading. */
static struct {
    PyMethodDef method;
    const char *other_name;
} thread_functions[] = {
    {{"start_new", WSGI_METHOD(start_thread), METH_VARARGS | METH_KEYWORDS,
      NULL},
     "_start_new"},
    {{"start_new_thread", WSGI_METHOD(start_thread),
      METH_VARARGS | METH_KEYWORDS, NULL},
     "_start_new_thread"},
    {{"start_joinable_thread", WSGI_METHOD(start_thread),
      METH_VARARGS | METH_KEYWORDS, NULL},
     "_start_joinable_thread"},
};

/* Replaces a function of Python's by ours, in its module and in another module
   that has imported it (or NULL). If self is NULL, Python's function becomes
   the self of ours. Does nothing if this Python lacks the function. */
static int replace(PyObject *module, PyObject *other, PyMethodDef *method,
                   const char *others_name, PyObject *self)
{
    PyObject *original = PyObject_GetAttrString(module, method->ml_name);
    PyObject *function = NULL;
    int result = 0;

    if (original != NULL) {
        function = PyCFunction_New(method, self != NULL ? self : original);
        result = function != NULL ? PyObject_SetAttrString(
                                        module, method->ml_name, function)
                                  : -1;
        if (result == 0 && other != NULL)
            result = PyObject_SetAttrString(other, others_name, function);
    }
    if (original == NULL)
        PyErr_Clear();
    Py_XDECREF(function);
    Py_XDECREF(original);
    return result;
}

static int replace_in_posix(PyMethodDef *methods, PyObject *self)
{
    PyObject *posix = PyImport_ImportModule("posix");
    PyObject *os = posix != NULL ? PyImport_ImportModule("os") : NULL;
    PyMethodDef *method;
    int result = os != NULL ? 0 : -1;

    for (method = methods; method->ml_name != NULL && result == 0; method++)
        result = replace(posix, os, method, method->ml_name, self);
    Py_XDECREF(os);
    Py_XDECREF(posix);
    return result;
}

/* A .pth file may have imported subprocess already. */
static int replace_fork_exec(void)
{
    PyObject *module = PyImport_ImportModule("_posixsubprocess");
    PyObject *subprocess =
        PyDict_GetItemString(PyImport_GetModuleDict(), "subprocess");
    int result = 0;

    if (module == NULL)
        PyErr_Clear();
    else
        result =
            replace(module, subprocess, &fork_exec_method, "_fork_exec", NULL);
    Py_XDECREF(module);
    return result;
}

/* threading has been imported already, with its own reference to one of them.
 */
static int replace_thread_functions(void)
{
    PyObject *thread = PyImport_ImportModule(WSGI_THREAD);
    PyObject *threading = thread != NULL ? PyImport_ImportModule("threading")
                                         : NULL;
    size_t i, count = sizeof thread_functions / sizeof *thread_functions;
    int result = threading != NULL ? 0 : -1;

    for (i = 0; i < count && result == 0; i++) {
        const char *name = thread_functions[i].other_name;
        int is_there = PyObject_HasAttrString(threading, name);

        result = replace(thread, is_there ? threading : NULL,
                         &thread_functions[i].method, name, NULL);
    }
    Py_XDECREF(threading);
    Py_XDECREF(thread);
    return result;
}

int wsgi_programs_install(wsgi_interp *interp)
{
    PyObject *data = interp->os_environ != NULL ? interp->os_environ : Py_None;

    if (WSGI_HAS_VFORK && replace_fork_exec() < 0)
        return -1;
    if (replace_in_posix(spawn_methods, NULL) < 0 ||
        replace_in_posix(shell_methods, data) < 0)
        return -1;
    return replace_thread_functions();
}
