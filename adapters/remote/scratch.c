/*
 * scratch.c - memory that is kept from request to request.
 */
#include <pthread.h>

#include "trip.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static wsgi_scratch *scratches;

wsgi_scratch *wsgi_scratch_take(void)
{
    wsgi_scratch *scratch;

    pthread_mutex_lock(&mutex);
    scratch = scratches;
    if (scratch != NULL)
        scratches = scratch->next;
    pthread_mutex_unlock(&mutex);
    if (scratch != NULL)
        return scratch;
    scratch = malloc(sizeof *scratch);
    if (scratch != NULL)
        memset(scratch, 0, offsetof(wsgi_scratch, received));
    return scratch;
}

void wsgi_scratch_keep(wsgi_scratch *scratch)
{
    wsgi_buffer_trim(&scratch->packet);
    wsgi_buffer_trim(&scratch->body);
    wsgi_buffer_trim(&scratch->headers);
    wsgi_buffer_trim(&scratch->whole);
    pthread_mutex_lock(&mutex);
    scratch->next = scratches;
    scratches = scratch;
    pthread_mutex_unlock(&mutex);
}
