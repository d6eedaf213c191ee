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
 * Runs the application that wsgi_decide has decided on for this request; any
 * thread, many at once, after wsgi_start. The decision is the caller's, and
 * stays as it is. Where the Python of this process can't do what its settings
 * ask for, they are followed as far as it can, with a warning in the log.
 * Returns what wsgi_handle returns.
 */
int wsgi_run(const wsgi_request *request, const wsgi_decision *decision);

#endif
