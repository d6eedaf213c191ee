/*
 * remote.h - serves a request: here, or in an application's process.
 *
 * A server calls wsgi_serve in the place of wsgi_handle. An application that
 * has processes of its own (mod_wsgi.process) is then run by one of these. The
 * server's process is left with deciding, with the client, and with the log.
 *
 * Plain POSIX: neither Python nor a server's headers.
 */
#ifndef WSGI_REMOTE_H
#define WSGI_REMOTE_H

#include "../../core/host.h"

/*
 * Serves one request, as wsgi_handle does, and returns what that returns. The
 * request's own thread does everything, and makes all down calls. The host
 * must have send_file. A process that does not keep to the protocol, sends
 * more than Content-Length says or what is no head of HTTP, can break only its
 * own responses.
 */
int wsgi_serve(const wsgi_request *request);

#endif
