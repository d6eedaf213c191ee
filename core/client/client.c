/*
 * client.c - everything that a request sends to its client or reads from it.
 *
 * The sender (sender.c) may still have pieces of the response. They are sent
 * first.
 */
#include "client.h"

static int send_file(const wsgi_request *request, const wsgi_output *output,
                     enum wsgi_after after)
{
    if (wsgi_sender_finish(request) < 0)
        return -1;
    return wsgi_process_given.host->send_file(
        request->record, output->fd, output->offset, output->size, after);
}

int wsgi_client_send(const wsgi_request *request, const wsgi_head *head,
                     const wsgi_output *output, enum wsgi_after after)
{
    if (head != NULL &&
        wsgi_process_given.host->send_head(request->record, head) < 0)
        return -1;
    return output->is_file ? send_file(request, output, after)
                           : wsgi_sender_send(request, output->chunks,
                                              output->count, after);
}

int wsgi_client_takes_files(void)
{
    return wsgi_process_given.host->send_file != NULL;
}

int64_t wsgi_client_read(const wsgi_request *request, char *to, size_t size)
{
    wsgi_sender_finish(request);
    return wsgi_process_given.host->read_body(request->record, to, size);
}

void wsgi_client_fail(const wsgi_request *request)
{
    wsgi_sender_finish(request);
    wsgi_process_given.host->fail(request->record);
}
