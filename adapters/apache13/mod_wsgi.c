/*
 * mod_wsgi.c - the module record of Apache 1.3, and its handler.
 */
#include "adapter.h"

#include <signal.h>

#include "../remote/memory.h"
#include "../remote/parent.h"
#include "../remote/remote.h"

server_rec *wsgi_apache_server;

static void close_memory(void *unused)
{
    (void)unused;
    wsgi_memory_close();
}

/* Runs in the process that starts the others. */
static void init(server_rec *server, pool *p)
{
    ap_add_version_component(wsgi_component); /* as ServerTokens allows */
    wsgi_note_signals();
    wsgi_apache_note_configuration();
    wsgi_apache_configure_spawner(p, server);
    wsgi_memory_configure(wsgi_apache_configuration());
    ap_register_cleanup(p, NULL, close_memory, ap_null_cleanup);
}

static void child_init(server_rec *server, pool *p)
{
    wsgi_process process = {
        .host = &wsgi_apache_host,
        .multithread = 0,
        .multiprocess = 1,
    };

    (void)p;
    wsgi_apache_server = server;
    wsgi_parent_enter_child();
    wsgi_memory_enter_child();
    if (ap_find_linked_module("mod_python.c") != NULL)
        process.refusal = "mod_python is loaded, and on Apache 1.3 it can't "
                          "share Python: take one LoadModule line out";
    wsgi_start(&process);
    wsgi_stop_before_signals();
    if (wsgi_memory_may_warm())
        wsgi_warm();
}

static void child_exit(server_rec *server, pool *p)
{
    (void)server;
    (void)p;
    wsgi_memory_leave_child();
    wsgi_stop();
}

/* Whether a header's name has a space or a tab, which this server keeps as a
   part of the name. Another server may ignore it, and so see another header.
 */
static int has_spaced_name(request_rec *r)
{
    const array_header *all = ap_table_elts(r->headers_in);
    const table_entry *entry = (const table_entry *)(void *)all->elts;
    int i;

    for (i = 0; i < all->nelts; i++, entry++)
        if (strpbrk(entry->key, " \t") != NULL)
            return 1;
    return 0;
}

/* A server in front of this one may see another end of a body in chunks. So
   what follows on the connection is not believed. */
static int check_end(request_rec *r)
{
    const char *length = ap_table_get(r->headers_in, "Content-Length");

    if (has_spaced_name(r))
        return HTTP_BAD_REQUEST;
    if (r->read_chunked)
        r->connection->keepalive = -1;
    return wsgi_header_is_length(length) ? OK : HTTP_BAD_REQUEST;
}

static void fill_in(exchange *x, wsgi_request *request)
{
    request_rec *r = x->r;

    request->record = x;
    request->uri = r->uri;
    request->filename = r->filename;
    request->path_info = r->path_info;
    request->is_file = S_ISREG(r->finfo.st_mode);
    request->may_execute = (ap_allow_options(r) & OPT_EXECCGI) != 0;
    request->site_name = r->server->server_hostname;
    request->site_port = ntohs(r->connection->local_addr.sin_port);
    request->scheme = ap_http_method(r);
    request->authorization = ap_table_get(r->headers_in, "Authorization");
    if (wsgi_apache_has_body(r))
        request->body_length = r->read_chunked ? -1 : r->remaining;
    request->expects = r->expecting_100;
    request->head_only = r->header_only;
    wsgi_apache_find_section(r, request);
}

/* What answers a request. Returns what wsgi_handle returns. */
typedef int server(const wsgi_request *request);

/* This server takes SIGPIPE for the end of the client's connection, even if an
   application wrote to a pipe of its own. So the signal is ignored: the error
   of the write is enough. */
static int handle_undisturbed(const wsgi_request *request, server *serve)
{
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    int status;

    status = serve(request);
    signal(SIGPIPE, before);
    return status;
}

/* This server keeps the first warning or error that is logged of a request as
   the text of its error page. An application's words are not for the client.
   Any of its threads may log, too, while only one may use the request's
   memory. So an empty text is put there first. */
static int handle_unseen(request_rec *r, const wsgi_request *request,
                         server *serve)
{
    static const char note[] = "error-notes";
    int is_first = ap_table_get(r->notes, note) == NULL;
    int status;

    if (is_first)
        ap_table_setn(r->notes, note, "");
    status = handle_undisturbed(request, serve);
    if (is_first)
        ap_table_unset(r->notes, note);
    return status;
}

/* Leaves nothing of the request's body on the connection: it would be taken
   for the next request. */
static int answer(request_rec *r, server *serve)
{
    exchange x = {.r = r};
    wsgi_request request = {.record = NULL};
    int status = OK;

    ap_kill_timeout(r); /* a page with includes has set a hard one */
    if (wsgi_apache_has_body(r)) {
        status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
        if (status == OK)
            status = check_end(r);
    }
    if (status != OK)
        return status;
    wsgi_apache_prepare_env(r);
    fill_in(&x, &request);
    x.at_end = request.body_length == 0;
    status = handle_unseen(r, &request, serve);
    if (status == 0)
        status = x.error_page;
    if (status == 0)
        wsgi_apache_drain(&x);
    else
        wsgi_apache_leave_rest(&x); /* no error page waits for the rest */
    return status == 0 ? OK : status;
}

/* Our name is a content type: files can set it, but no handler then. */
static int handle(request_rec *r)
{
    return r->handler != NULL ? answer(r, wsgi_serve) : DECLINED;
}

static int serve_status(const wsgi_request *request)
{
    const exchange *x = request->record;

    return wsgi_status_serve(request, x->r->args);
}

static int handle_status(request_rec *r)
{
    if (r->handler == NULL)
        return DECLINED;
    r->allowed = 1 << M_GET;
    return r->method_number == M_GET ? answer(r, serve_status)
                                     : HTTP_METHOD_NOT_ALLOWED;
}

/* mod_mime ignores SetHandler if the URL leads to a directory that exists. */
static int fixup(request_rec *r)
{
    const char *handler;

    if (r->main != NULL)
        wsgi_apache_note_htaccess(r);
    if (r->content_type == NULL ||
        strcmp(r->content_type, DIR_MAGIC_TYPE) != 0)
        return DECLINED;
    handler = wsgi_apache_set_handler(r->per_dir_config);
    if (handler == NULL || (strcmp(handler, WSGI_HANDLER) != 0 &&
                            strcmp(handler, WSGI_STATUS_HANDLER) != 0))
        return DECLINED;
    r->handler = handler;
    return OK;
}

static const handler_rec handlers[] = {{WSGI_HANDLER, handle},
                                       {WSGI_STATUS_HANDLER, handle_status},
                                       {NULL, NULL}};

__attribute__((visibility("default"))) module wsgi_module = {
    STANDARD_MODULE_STUFF,
    /* No directives: so no configuration of directories or servers. */
    .init = init,
    .handlers = handlers,
    .fixer_upper = fixup,
    .child_init = child_init,
    .child_exit = child_exit,
};
