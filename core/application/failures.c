/*
 * failures.c - why an application did not load at the first attempt.
 *
 * Each request tries to load it again, in the same interpreter, since what was
 * in the way may be gone (a database that was down). But the first attempt has
 * left behind what it had imported until it failed. Some of that can't be had
 * twice: Django then says "populate() isn't reentrant" to each request after
 * the first, which alone was told the cause. So the cause is said again.
 */
#include "application.h"

/* How many applications of an interpreter: names may come from a client. */
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

/* How much of a traceback's last line is the exception's type. */
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

/* Whether two tracebacks have the same steps: all but the last line. */
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

/* Whether two tracebacks tell the same failure. They end in the same words, or
   have the same type at the same place: words can have a time or a number in
   them. */
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

static time_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

static wsgi_failure *make(const char *application, PyObject *texts)
{
    wsgi_failure *failure = calloc(1, sizeof *failure);

    if (failure == NULL)
        return NULL;
    failure->application = strdup(application);
    Py_INCREF(texts);
    failure->texts = texts;
    failure->when = now();
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
                 "what '%s' left behind at its first attempt, %ld s ago, may "
                 "be why it fails differently now; when the cause is mended, "
                 "restart the server. The first attempt raised:",
                 application, (long)(now() - first->when));
        wsgi_errors_log(request, first->texts);
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
