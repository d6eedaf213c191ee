/*
 * retry.c - when a client is to try again.
 */
#include "request.h"

void wsgi_retry_later(const wsgi_request *request, unsigned seconds)
{
    const wsgi_host *host = wsgi_process_given.host;

    if (request->recalled == NULL && host->retry_after != NULL)
        host->retry_after(request->record, seconds);
}
