/*
 * run.c - runs the application that was decided on, from the way into its
 * interpreter to the answer.
 */
#include "run.h"
#include "wsgi/wsgi.h"

/* The status of the error page for the exception that is set, when nothing
   was sent yet. */
static int error_status(const wsgi_call *call)
{
    if (call->is_overdue)
        return 504;
    return call->read_error != 0 && wsgi_call_is_about_reading(call)
               ? wsgi_body_status(call->read_error)
               : 500;
}

/* The application failed. If its response has not begun, the server sends an
   error page. Otherwise the response must look broken. Returns what
   wsgi_handle returns. */
static int break_off(wsgi_call *call, enum wsgi_kind kind, const char *name)
{
    int status = error_status(call);

    wsgi_call_report(call, "MW0501: the application raised an exception:");
    wsgi_kinds_hint(call->lease.request, kind, name);
    if (!wsgi_call_has_begun(call)) {
        call->is_discarded = 1; /* threads and destructors may still write */
        return status;
    }
    /* A client that stopped sending its body may still read. */
    if (!wsgi_call_is_over(call))
        wsgi_sending_fail(call);
    return 0;
}

/* Calls application(environ, start_response), and sends what it returned. If
   it failed, stores in *kind what the application may be instead of a WSGI
   application. */
static int call_and_send(wsgi_call *call, PyObject *application,
                         PyObject *environ, int64_t *rest,
                         enum wsgi_kind *kind)
{
    PyObject *start = wsgi_start_response_new(call);
    PyObject *result = NULL;

    if (start != NULL)
        result = wsgi_call_two(application, environ, start);
    wsgi_fork_leave(call->lease.request);
    Py_XDECREF(start);
    if (result == NULL)
        *kind = wsgi_kinds_find(application);
    return result != NULL ? wsgi_response_send(call, result, rest) : -1;
}

/* The same, with the log told where it is if it takes long. */
static int run_slowly(wsgi_call *call, const wsgi_settings *settings,
                      PyObject *application, PyObject *environ, int64_t *rest,
                      enum wsgi_kind *kind)
{
    wsgi_slow slow;
    int result;

    if (settings->slow == WSGI_NO_BOUND)
        return call_and_send(call, application, environ, rest, kind);
    wsgi_slow_begin(&slow, call->visit, settings);
    result = call_and_send(call, application, environ, rest, kind);
    wsgi_slow_end(&slow);
    return result;
}

/* The same, given up after mod_wsgi.timeout. For a process of applications the
   server keeps the time. */
static int run(wsgi_call *call, const wsgi_settings *settings,
               PyObject *application, PyObject *environ, int64_t *rest,
               enum wsgi_kind *kind)
{
    wsgi_overdue overdue;
    int result;

    if (settings->timeout <= 0 || wsgi_process_given.has_owner)
        return run_slowly(call, settings, application, environ, rest, kind);
    wsgi_overdue_begin(&overdue, call->visit, settings, &call->steps);
    result = run_slowly(call, settings, application, environ, rest, kind);
    call->is_overdue = wsgi_overdue_end(&overdue);
    return result;
}

/* The part of a request that needs Python's lock. A small response may be left
   to be sent without the lock: *rest is its size then, else -1, and *head its
   head. */
static int serve(wsgi_visit *visit, const wsgi_settings *settings,
                 const wsgi_mount *mount, int64_t *rest, wsgi_head *head)
{
    PyObject *application, *environ = NULL;
    wsgi_call *call;
    enum wsgi_kind kind = WSGI_KIND_UNKNOWN;
    int status = 0;

    if (settings->reload != NULL)
        wsgi_reload_check(visit, settings);
    application = wsgi_script_find(visit, settings);
    if (settings->reload != NULL)
        wsgi_reload_watch(visit, settings);
    if (application == NULL)
        return visit->status;
    call = wsgi_call_new(visit);
    if (call == NULL) {
        wsgi_errors_report(visit->request,
                           "MW0505: the request can't be served:");
        return 500;
    }
    Py_INCREF(application);
    environ = wsgi_environ_new(call, settings, mount);
    if (environ == NULL ||
        run(call, settings, application, environ, rest, &kind) < 0) {
        Py_BEGIN_CRITICAL_SECTION(call);
        status = break_off(call, kind, settings->application);
        Py_END_CRITICAL_SECTION();
    }
    Py_XDECREF(environ);
    Py_DECREF(application);
    wsgi_call_end(call); /* from here on, only this thread changes it */
    *head = call->head;
    visit->read_error = call->read_error;
    if (call->stage == WSGI_BROKEN && !call->is_told)
        wsgi_call_log_gone(visit);
    Py_DECREF(call);
    return status;
}

/* Runs what was decided. kept is the request's body, or NULL. Returns what
   wsgi_handle returns. */
static int run_decided(const wsgi_request *request,
                       const wsgi_decision *decision, wsgi_body *kept)
{
    wsgi_visit visit;
    wsgi_head head;
    int64_t rest = -1;
    int status = wsgi_visit_enter(&visit, request, &decision->settings);

    if (status != 0)
        return status;
    visit.kept = kept;
    status =
        serve(&visit, &decision->settings, &decision->mount, &rest, &head);
    wsgi_visit_leave(&visit);
    if (status == 0 && rest >= 0 && wsgi_response_finish(&visit, &head) < 0)
        wsgi_call_log_gone(&visit);
    wsgi_visit_done(&visit);
    return status;
}

/* The same after reading the request's body. */
static int run_with_body(const wsgi_request *request,
                         const wsgi_decision *decision)
{
    wsgi_body body;
    int status;

    /* Python starts first. If it can't, the client gets its error page before
       it has sent a body. */
    if (wsgi_runtime_start(request) < 0)
        return 500;
    status = wsgi_body_keep(request, &body);
    if (status == 0)
        status = run_decided(request, decision, &body);
    wsgi_body_free(&body);
    return status;
}

int wsgi_run(const wsgi_request *request, const wsgi_decision *decision)
{
    wsgi_decision possible = *decision;
    int status = wsgi_limits_apply(request, &possible.settings);

    if (status != 0)
        return status;
    wsgi_decide_tell_host(request, &possible.settings);
    return possible.settings.buffer_body && request->body_length != 0
               ? run_with_body(request, &possible)
               : run_decided(request, &possible, NULL);
}
