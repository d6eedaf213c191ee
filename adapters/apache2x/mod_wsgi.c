/*
 * mod_wsgi.c - the module record of Apache 2.0, 2.2 and 2.4, and its handler.
 */
#include "adapter.h"

#include <apr_portable.h>
#include <fcntl.h>

#include "../remote/memory.h"
#include "../remote/remote.h"

server_rec *wsgi_apache_server;

static apr_status_t stop(void *unused)
{
    (void)unused;
    wsgi_memory_leave_child();
    wsgi_stop();
    return APR_SUCCESS;
}

static int ask_mpm(int question)
{
    int answer = 0;

    return ap_mpm_query(question, &answer) == APR_SUCCESS ? answer : 0;
}

static apr_status_t close_memory(void *unused)
{
    (void)unused;
    wsgi_memory_close();
    return APR_SUCCESS;
}

/* Whether this process exits within the handler of a signal, as a child does
   under a model without threads. The only process of -X (for debuggers) may
   just note the signal and go on. */
static int ends_in_handlers(void)
{
    return ask_mpm(AP_MPMQ_IS_THREADED) == AP_MPMQ_NOT_SUPPORTED &&
           !ap_exists_config_define("ONE_PROCESS") &&
           !ap_exists_config_define("DEBUG"); /* -X */
}

static int post_config(apr_pool_t *config, apr_pool_t *log,
                       apr_pool_t *temporary, server_rec *server)
{
    (void)log, (void)temporary;
    ap_add_version_component(config, wsgi_component); /* as allowed */
    if (!wsgi_apache_misleads_mod_python()) {
        wsgi_apache_note_configuration();
        wsgi_apache_configure_spawner(config, server);
        wsgi_memory_configure(wsgi_apache_configuration());
        apr_pool_cleanup_register(config, NULL, close_memory,
                                  apr_pool_cleanup_null);
        return OK;
    }
    ap_log_error(
        APLOG_MARK, APLOG_EMERG, 0, server,
        "mod_wsgi: MW0421: mod_python is loaded behind this module, and was "
        "built with another version of Python: put its LoadModule line before "
        "this module's, or build both with the same");
    return HTTP_INTERNAL_SERVER_ERROR;
}

static void child_init(apr_pool_t *pool, server_rec *server)
{
    wsgi_process process = {
        .host = &wsgi_apache_host,
        .multithread = ask_mpm(AP_MPMQ_IS_THREADED) != AP_MPMQ_NOT_SUPPORTED &&
                       ask_mpm(AP_MPMQ_MAX_THREADS) > 1,
        .multiprocess = ask_mpm(AP_MPMQ_MAX_DAEMONS) != 1,
    };

    wsgi_apache_server = server;
    wsgi_apache_enter_child(server);
    wsgi_memory_enter_child();
    wsgi_apache_join_mod_python(&process);
    wsgi_start(&process);
    if (ends_in_handlers())
        wsgi_stop_before_signals();
    apr_pool_cleanup_register(pool, NULL, stop, apr_pool_cleanup_null);
    if (wsgi_memory_may_warm())
        wsgi_warm();
}

/* Programs that applications start must not inherit the connection: it would
   stay open until they end. */
static int pre_connection(conn_rec *connection, void *socket)
{
    apr_os_sock_t fd;

    (void)connection;
    if (apr_os_sock_get(&fd, socket) == APR_SUCCESS)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return OK;
}

/* The length of the request's body as the application will read it. Where the
   request has filters it is unknown: they may change what the client sent. */
static int64_t body_length(request_rec *r)
{
    if (!wsgi_apache_has_body(r))
        return 0;
    if (r->read_chunked)
        return -1;
    if (r->remaining > 0 && r->input_filters != r->proto_input_filters)
        return -1;
    return r->remaining;
}

/* A server in front of an old one may see another end of a body in chunks. So
   what follows on the connection is not believed. */
static int check_end(request_rec *r)
{
    const char *length;

    if (WSGI_BODIES_ARE_STRICT)
        return OK;
    if (r->read_chunked)
        r->connection->keepalive = AP_CONN_CLOSE;
    length = apr_table_get(r->headers_in, "Content-Length");
    return wsgi_header_is_length(length) ? OK : HTTP_BAD_REQUEST;
}

static int is_too_large(request_rec *r)
{
    apr_off_t limit = ap_get_limit_req_body(r);

    if (limit <= 0 || r->remaining <= limit)
        return 0;
    ap_log_rerror(
        APLOG_MARK, APLOG_INFO, 0, r,
        "mod_wsgi: MW0512: the request's body of %" APR_OFF_T_FMT
        " bytes is larger than LimitRequestBody allows (%" APR_OFF_T_FMT ")",
        r->remaining, limit);
    return 1;
}

static void fill_in(exchange *x, wsgi_request *request)
{
    request_rec *r = x->r;

    request->record = x;
    request->uri = r->uri;
    request->filename = r->filename;
    request->path_info = r->path_info;
    request->is_file = r->finfo.filetype == APR_REG;
    request->may_execute = (ap_allow_options(r) & OPT_EXECCGI) != 0;
    request->site_name = r->server->server_hostname;
    request->site_port = r->connection->local_addr->port;
    request->scheme = ap_http_scheme(r);
    request->authorization = apr_table_get(r->headers_in, "Authorization");
    request->body_length = body_length(r);
    request->expects = r->expecting_100 != 0;
    request->head_only = r->header_only;
    wsgi_apache_find_section(r, request);
}

/* Whether a content type is our handler's name. Where nothing has set a
   handler the server takes the content type for one. Files and programs can
   set that.
 */
static int is_type(const char *type)
{
    return type != NULL &&
           strncasecmp(type, WSGI_HANDLER, sizeof WSGI_HANDLER - 1) == 0;
}

/* Before an error page the server would read the rest of the request's body.
   It does not if the connection ends with the page. With most error pages it
   ends anyway (500, 503, ...). */
static void leave_rest(request_rec *r)
{
    r->connection->keepalive = AP_CONN_CLOSE;
}

/* The status page. */
static int handle_status(request_rec *r)
{
    exchange x = {.r = r, .borrowed = PTHREAD_MUTEX_INITIALIZER};
    wsgi_request request = {.record = NULL};
    int status;

    if (r->handler == NULL || strcmp(r->handler, WSGI_STATUS_HANDLER) != 0 ||
        is_type(r->content_type))
        return DECLINED;
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
    if (r->method_number != M_GET)
        return HTTP_METHOD_NOT_ALLOWED;
    fill_in(&x, &request);
    x.thread = apr_os_thread_current();
    status = wsgi_status_serve(&request, r->args);
    return status == 0 ? OK : status;
}

static int handle(request_rec *r)
{
    exchange x = {.r = r, .borrowed = PTHREAD_MUTEX_INITIALIZER};
    wsgi_request request = {.record = NULL};
    int status = OK;

    if (r->handler == NULL || strcmp(r->handler, WSGI_HANDLER) != 0 ||
        is_type(r->content_type))
        return DECLINED;
    if (wsgi_apache_has_body(r)) {
        status = ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK);
        if (status == OK)
            status = check_end(r);
    }
    if (status != OK)
        return status;
    if (is_too_large(r))
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    wsgi_apache_prepare_env(&x);
    fill_in(&x, &request);
    x.thread = apr_os_thread_current();
    x.body_left = request.body_length;
    status = wsgi_serve(&request);
    if (status == 0)
        status = x.error_page;
    if (status != 0 && request.body_length != 0 && !x.at_end)
        leave_rest(r);
    return status == 0 ? OK : status;
}

/* mod_dir of 2.4 looks for an index in a directory that exists, whoever
   handles the URL, and would send the request there. So our URLs are no
   directories. */
static int fixup(request_rec *r)
{
    if (r->main != NULL)
        wsgi_apache_note_htaccess(r);
    if (r->handler == NULL ||
        (strcmp(r->handler, WSGI_HANDLER) != 0 &&
         strcmp(r->handler, WSGI_STATUS_HANDLER) != 0) ||
        r->finfo.filetype != APR_DIR)
        return DECLINED;
    r->finfo.filetype = APR_NOFILE;
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    /* Its child_init starts Python; its post_config runs Python's code. */
    static const char *const mod_python[] = {"mod_python.c", NULL};

    (void)pool;
    wsgi_note_signals();
    wsgi_apache_register_filters();
    ap_hook_post_config(post_config, NULL, mod_python, APR_HOOK_FIRST);
    ap_hook_child_init(child_init, mod_python, NULL, APR_HOOK_MIDDLE);
    if (WSGI_CONNECTIONS_ARE_INHERITED)
        ap_hook_pre_connection(pre_connection, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_fixups(fixup, NULL, NULL, APR_HOOK_FIRST);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle_status, NULL, NULL, APR_HOOK_MIDDLE);
}

__attribute__((visibility("default"))) module wsgi_module = {
    STANDARD20_MODULE_STUFF,
    /* No directives: so no configuration of directories or servers. */
    .register_hooks = register_hooks,
};
