/*
 * failures.c - remembers why an application did not load at the first attempt.
 *
 * Each request tries again, in the same interpreter, since the cause may be
 * gone (a database that was down). But what the first attempt had imported
 * until it failed is still there, and some modules can't be set up twice.
 * Django then raises "populate() isn't reentrant" for every later request, and
 * only the first traceback shows the real cause. So that traceback is logged
 * again.
 */
#include "application.h"

/* The most applications that are remembered for an interpreter. There is a
   bound because names of files may come from a client. */
#define MOST_FAILURES 32

struct wsgi_failure {
    wsgi_failure *next;
    char *application;
    PyObject *texts; /* tuple: the traceback, line by line */
    time_t when;
};

static wsgi_failure **find(wsgi_interp *interp, const char *application,
                           int *count)
{
    wsgi_failure **place = &interp->failures;

    for (*count = 0; *place != NULL; place = &(*place)->next, ++*count)
        if (strcmp((*place)->application, application) == 0)
            break;
    return place;
}

static void drop(wsgi_failure *failure)
{
    if (failure == NULL)
        return;
    Py_XDECREF(failure->texts);
    free(failure->application);
    free(failure);
}

/* The size of the exception's type at the beginning of a traceback's last
   line. */
static size_t size_of_type(const char *line)
{
    return strcspn(line, ":\n");
}

/* Whether the last lines of two tracebacks begin with the same type. */
static int is_same_type(PyObject *a, PyObject *b)
{
    PyObject *first = wsgi_text_bytes(a), *second = wsgi_text_bytes(b);
    int answer = 0;

    if (first != NULL && second != NULL) {
        const char *left = PyBytes_AS_STRING(first);
        const char *right = PyBytes_AS_STRING(second);
        size_t size = size_of_type(left);

        answer = size == size_of_type(right) && memcmp(left, right, size) == 0;
    }
    Py_XDECREF(first);
    Py_XDECREF(second);
    return answer;
}

/* Whether two tracebacks are the same but for the last line. */
static int has_same_steps(PyObject *a, PyObject *b)
{
    PyObject *first = PySequence_GetSlice(a, 0, -1);
    PyObject *second = PySequence_GetSlice(b, 0, -1);
    int answer = first != NULL && second != NULL &&
                 PyObject_RichCompareBool(first, second, Py_EQ) == 1;

    Py_XDECREF(first);
    Py_XDECREF(second);
    return answer;
}

/* Whether two tracebacks show the same failure. Either their last lines are
   the same, or the type and the place are: a message may contain a time or a
   number. */
static int is_same(PyObject *a, PyObject *b)
{
    PyObject *last = PySequence_GetItem(a, -1);
    PyObject *other = PySequence_GetItem(b, -1);
    int answer = last != NULL && other != NULL &&
                 (PyObject_RichCompareBool(last, other, Py_EQ) == 1 ||
                  (is_same_type(last, other) && has_same_steps(a, b)));

    PyErr_Clear();
    Py_XDECREF(last);
    Py_XDECREF(other);
    return answer;
}

static wsgi_failure *make(const char *application, PyObject *texts)
{
    wsgi_failure *failure = calloc(1, sizeof *failure);

    if (failure == NULL)
        return NULL;
    failure->application = strdup(application);
    Py_INCREF(texts);
    failure->texts = texts;
    failure->when = wsgi_seconds();
    if (failure->application != NULL)
        return failure;
    drop(failure);
    return NULL;
}

void wsgi_failures_note(const wsgi_request *request, wsgi_interp *interp,
                        const char *application, PyObject *texts)
{
    int count;
    wsgi_failure **place = find(interp, application, &count), *first = *place;

    if (texts == NULL)
        return;
    if (first == NULL && count < MOST_FAILURES) {
        *place = make(application, texts);
    } else if (first != NULL && !is_same(first->texts, texts)) {
        wsgi_log(request, WSGI_ERROR,
                 "MW0307: the first attempt to load '%s', %ld s ago, failed "
                 "differently. What it left behind may be the cause of this "
                 "error. When that first error is mended, restart the server. "
                 "The first attempt raised:",
                 application, (long)(wsgi_seconds() - first->when));
        wsgi_errors_log(request, WSGI_ERROR, first->texts);
    }
}

void wsgi_failures_forget(wsgi_interp *interp, const char *application)
{
    int count;
    wsgi_failure **place = find(interp, application, &count), *old = *place;

    if (old != NULL)
        *place = old->next;
    drop(old);
}

void wsgi_failures_end(wsgi_failure *failures)
{
    wsgi_failure *next;

    for (; failures != NULL; failures = next) {
        next = failures->next;
        drop(failures);
    }
}
