/*
 * lease.c - lends a request to Python objects.
 *
 * Applications keep objects longer than their request: a closure keeps
 * start_response, a thread goes on reading wsgi.input. But the request that
 * such an object refers to is gone. So each use enters the lease first. The
 * end of the request waits for uses that are under way in other threads.
 */
#include <time.h>

#include "interpreters.h"

int wsgi_lease_enter(wsgi_lease *lease, const char *what)
{
    if (wsgi_gate_enter(&lease->gate))
        return 0;
    wsgi_lease_leave(lease);
    PyErr_Format(PyExc_RuntimeError, "%s was used after its request had ended",
                 what);
    return -1;
}

void wsgi_lease_leave(wsgi_lease *lease)
{
    wsgi_gate_leave(&lease->gate);
}

void wsgi_lease_end(wsgi_lease *lease)
{
    static const struct timespec moment = {.tv_nsec = 1 * WSGI_MS};

    wsgi_gate_close(&lease->gate);
    while (wsgi_gate_count(&lease->gate) > 0) {
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&moment, NULL);
        Py_END_ALLOW_THREADS
    }
    wsgi_lines_end(&lease->lines, lease->request);
    lease->request = NULL;
}
