/*
 * serve.c - serves a request: here, or in an application's process.
 */
#include "remote.h"

#include <pthread.h>

#include "../../core/run.h"
#include "serve.h"

static wsgi_ceilings ceilings;

static void ignore_word(const char *word, size_t size, const char *why)
{
    (void)word, (void)size, (void)why; /* the spawner has warned of it */
}

static void read_ceilings(void)
{
    wsgi_ceilings_read(wsgi_settings_of_process()->limits, &ceilings,
                       ignore_word);
}

const wsgi_ceilings *wsgi_serve_ceilings(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, read_ceilings);
    return &ceilings;
}

static int run_decided(const wsgi_request *request,
                       const wsgi_decision *decision)
{
    return decision->settings.process != NULL
               ? wsgi_remote_run(request, &decision->settings)
               : wsgi_run(request, decision);
}

/* The most requests at once of all applications of a customer. */
static long ceiling_of(const wsgi_settings *s)
{
    uint32_t most = s->owner > 0 ? wsgi_serve_ceilings()->concurrency : 0;

    return most > 0 ? (long)most : WSGI_NO_BOUND;
}

int wsgi_serve(const wsgi_request *request)
{
    wsgi_tally_use use;
    wsgi_place place;
    wsgi_decision decision;
    int status = wsgi_decide(request, &decision);

    if (status != 0)
        return status;
    wsgi_tally_begin(&use, request, &decision.settings);
    status = wsgi_place_enter(&place, &use, request, &decision.settings,
                              ceiling_of(&decision.settings));
    if (status == 0) {
        status = run_decided(request, &decision);
        wsgi_place_leave(&place);
    }
    wsgi_tally_end(&use, status);
    return status;
}
