/*
 * run.h - runs the application that was decided on.
 *
 * wsgi_handle (host.h) is wsgi_decide (request/request.h), then wsgi_run. The
 * two are apart for servers that decide in one process and run in another:
 * wsgi_decide needs no Python.
 */
#ifndef WSGI_RUN_H
#define WSGI_RUN_H

#include "request/request.h"

/*
 * Runs the application that wsgi_decide has chosen for this request. Any
 * thread, many at once, after wsgi_start. The decision stays the caller's, and
 * is not changed. Settings that the Python of this process cannot fulfil are
 * followed as far as possible, with a warning in the log. Returns what
 * wsgi_handle returns.
 */
int wsgi_run(const wsgi_request *request, const wsgi_decision *decision);

#endif
