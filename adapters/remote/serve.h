/*
 * serve.h - what serve.c asks of remote.c, and remote.c of serve.c.
 *
 * Where there are no processes of applications, noprocesses.c stands in for
 * remote.c.
 */
#ifndef WSGI_SERVE_H
#define WSGI_SERVE_H

#include "../../core/request/request.h"
#include "../wire/ceilings.h"

/* Has an application's process run the application that was decided on.
   Returns what wsgi_serve returns. */
int wsgi_remote_run(const wsgi_request *request, const wsgi_settings *s);

/* What the administrator allows customers (MOD_WSGI_LIMITS). Any thread. */
const wsgi_ceilings *wsgi_serve_ceilings(void);

#endif
