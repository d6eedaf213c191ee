/*
 * mod_floor.c - what Apache itself costs.
 *
 * Stands where mod_wsgi would stand: it is loaded and chosen by the same lines
 * of configuration (hence the names), reads the same variables, builds the
 * same CGI environment and answers with 13 bytes. No module that calls Python
 * can do less, so what another needs beyond this is its own price.
 */
/* The server's headers do not include what they need: this one comes first. */
#include <httpd.h>

#include <http_config.h>
#include <http_protocol.h>
#include <string.h>
#include <util_script.h>

static const char answer[] = "Hello, world!";

static int handle(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "mod_wsgi") != 0)
        return DECLINED;
    ap_add_common_vars(r);
    ap_add_cgi_vars(r);
    ap_set_content_type(r, "text/plain");
    ap_set_content_length(r, sizeof answer - 1);
    if (!r->header_only)
        ap_rwrite(answer, sizeof answer - 1, r);
    return OK;
}

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA wsgi_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, NULL, register_hooks,
};
