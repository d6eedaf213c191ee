/*
 * environ.c - the CGI environment of a request.
 *
 * The server makes it in r->subprocess_env. SetEnv and similar directives have
 * put their variables there before. Variables that a client or an enclosing
 * request must not decide are taken out first.
 */
#include "adapter.h"

#include <apr_optional.h>

/* From mod_ssl, or a module that offers the same function. */
APR_DECLARE_OPTIONAL_FN(char *, ssl_var_lookup,
                        (apr_pool_t *, server_rec *, conn_rec *, request_rec *,
                         char *));

/* Room for so many variables: those of most requests. */
#define COMMON_COUNT 50

static wsgi_entry get_entry(const void *entries, int i)
{
    const apr_table_entry_t *entry = (const apr_table_entry_t *)entries + i;

    return (wsgi_entry){entry->key, entry->val};
}

static wsgi_table view(const apr_table_t *table)
{
    const apr_array_header_t *all = apr_table_elts(table);

    return (wsgi_table){all->elts, all->nelts, get_entry};
}

/* Whether the module for TLS says the same of this connection. Some of its
   values are the same memory in a parent's table and in a sub-request's, and
   look like copies. */
static int is_true(request_rec *r, wsgi_entry entry)
{
    APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *look_up =
        APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    const char *name = wsgi_plain_name(entry.name), *truth = NULL;

    if (look_up != NULL &&
        (strcmp(name, "HTTPS") == 0 || strncmp(name, "SSL_", 4) == 0))
        truth = look_up(r->pool, r->server, r->connection, r, (char *)name);
    return truth != NULL && *truth != '\0' && strcmp(truth, entry.value) == 0;
}

/*
 * A sub-request's table begins with a copy of its parent's. If the parent is a
 * page with includes, that page may have #set our settings there, or variables
 * that are believed. Of those only the entries stay that the sub-request's own
 * configuration has added. The server's own are added again by
 * ap_add_common_vars. Those of the module for TLS stay if they are true.
 */
static void forget_inherited(request_rec *r)
{
    wsgi_table mine = view(r->subprocess_env);
    wsgi_table theirs = view(r->main->subprocess_env);
    apr_table_t *kept = apr_table_make(r->pool, mine.count);
    int i, copies = wsgi_copies_count(&mine, &theirs);

    for (i = 0; i < mine.count; i++) {
        wsgi_entry entry = get_entry(mine.entries, i);

        if (wsgi_copies_may_stay(&mine, i, &theirs, copies) ||
            is_true(r, entry))
            apr_table_addn(kept, entry.name, entry.value);
    }
    apr_table_unset(kept, "PATH_TRANSLATED"); /* of the parent's path */
    r->subprocess_env = kept;
}

int wsgi_apache_is_error_document(const request_rec *r)
{
    for (r = r->prev; r != NULL; r = r->prev)
        if (ap_is_HTTP_ERROR(r->status))
            return 1;
    return 0;
}

int wsgi_apache_has_body(const request_rec *r)
{
    return r->main == NULL && !wsgi_apache_is_error_document(r);
}

/* Whether a request's configuration made the server go on with another URL:
   mod_rewrite's handler, or the index of a directory. Otherwise a file or a
   program told it to. */
static int is_by_configuration(const request_rec *r)
{
    const char *by = r->handler != NULL ? r->handler : r->content_type;

    return by != NULL && (strcmp(by, "redirect-handler") == 0 ||
                          strcmp(by, DIR_MAGIC_TYPE) == 0);
}

/* A redirect renames the settings of the request before. Those of a request
   that failed, or of a file or a program that named this URL, do not count for
   this URL. */
static void forget_renamed(request_rec *r)
{
    wsgi_table all = view(r->subprocess_env);
    apr_table_t *kept = apr_table_make(r->pool, all.count);
    int i;

    for (i = 0; i < all.count; i++) {
        wsgi_entry entry = get_entry(all.entries, i);

        if (!wsgi_is_renamed_setting(entry.name))
            apr_table_addn(kept, entry.name, entry.value);
    }
    r->subprocess_env = kept;
}

/* Removes a header from the request. An earlier phase may have made a variable
   of it, so that goes, too. */
static void drop_header(request_rec *r, const char *name)
{
    char *variable =
        apr_palloc(r->pool, sizeof WSGI_HEADER_FRONT + strlen(name));

    wsgi_header_to_variable(name, variable);
    apr_table_unset(r->subprocess_env, variable);
    apr_table_unset(r->headers_in, name);
}

static void drop_unsafe_headers(request_rec *r)
{
    wsgi_table all = view(r->headers_in);
    int i = all.count;

    while (i-- > 0) {
        const char *name = get_entry(all.entries, i).name;

        if (wsgi_header_is_unsafe(name)) {
            drop_header(r, apr_pstrdup(r->pool, name));
            all = view(r->headers_in);
            i = all.count;
        }
    }
}

/* Whether a request is the error page of one that authentication may have
   refused. The password was missing or wrong (401), its header made no sense
   (400), or looking it up failed (500). */
static int has_failed_early(const request_rec *r)
{
    for (r = r->prev; r != NULL; r = r->prev)
        if (r->status == HTTP_UNAUTHORIZED || r->status == HTTP_BAD_REQUEST ||
            r->status == HTTP_INTERNAL_SERVER_ERROR)
            return 1;
    return 0;
}

/* Whether the password of r->user may have been wrong. The server sets the
   name before it checks the password. The error page for a wrong password has
   the name from the request that failed. */
static int is_user_unsure(const request_rec *r)
{
    for (; r != NULL; r = r->main)
        if (has_failed_early(r))
            return 1;
    return 0;
}

/* Adds the server's own variables, without a user's name that is unsure. */
static void add_common_vars(request_rec *r)
{
    char *user = r->user, *type = r->ap_auth_type;

    if (is_user_unsure(r))
        r->user = r->ap_auth_type = NULL;
    ap_add_common_vars(r);
    r->user = user;
    r->ap_auth_type = type;
}

/* The server would make a sub-request for PATH_TRANSLATED, which takes as long
   as a whole request. It makes none where there is no path behind the file. So
   that path is put back afterwards, with what the server says of it. */
static void add_cgi_vars(request_rec *r)
{
    char *path_info = r->path_info;

    r->path_info = NULL;
    ap_add_cgi_vars(r);
    r->path_info = path_info;
    if (path_info == NULL || *path_info == '\0')
        return;
    if (strcmp(r->protocol, "INCLUDED") != 0)
        apr_table_setn(r->subprocess_env, "SCRIPT_NAME",
                       apr_pstrndup(r->pool, r->uri,
                                    ap_find_path_info(r->uri, path_info)));
    apr_table_setn(r->subprocess_env, "PATH_INFO", path_info);
}

/* Whether the server looks for its own variables among those that are set, on
   this platform or another. */
static int is_looked_into(const apr_table_t *table)
{
    static const char *const names[] = {
        "PATH",         "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
        "LIBRARY_PATH", "LIBPATH",         "SHLIB_PATH"};
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++)
        if (apr_table_get(table, names[i]) != NULL)
            return 1;
    return 0;
}

/* Gives a variable another value if it is in the table from an entry on. */
static void replace(apr_table_t *table, int from, wsgi_entry entry)
{
    const apr_array_header_t *all = apr_table_elts(table);
    apr_table_entry_t *entries = (apr_table_entry_t *)(void *)all->elts;
    int i;

    for (i = from; i < all->nelts; i++)
        if (strcasecmp(entries[i].key, entry.name) == 0)
            entries[i].val = (char *)entry.value;
}

/* Adds the variables that were set before behind the server's own. Of two
   values the server's counts, and otherwise the last one. */
static void add_configured(apr_table_t *servers, const apr_table_t *configured)
{
    wsgi_table all = view(configured);
    int i, count = apr_table_elts(servers)->nelts;

    for (i = 0; i < all.count; i++) {
        wsgi_entry entry = get_entry(all.entries, i);

        if (apr_table_get(servers, entry.name) == NULL)
            apr_table_addn(servers, entry.name, entry.value);
        else
            replace(servers, count, entry);
    }
}

/* Makes r->subprocess_env. The server would merge a table that is not empty
   with its own variables, and sort all of them for that. This takes 6,900
   instructions for a hello. So the server gets an empty table, and the few
   variables that were set before are added afterwards. */
static void add_all(exchange *x)
{
    request_rec *r = x->r;
    apr_table_t *configured = r->subprocess_env;
    int is_kept = is_looked_into(configured);

    if (!is_kept)
        r->subprocess_env = apr_table_make(r->pool, COMMON_COUNT);
    add_common_vars(r);
    add_cgi_vars(r);
    if (!wsgi_apache_has_body(r)) {
        apr_table_unset(configured, "CONTENT_LENGTH");
        apr_table_unset(r->subprocess_env, "CONTENT_LENGTH");
    }
    if (is_kept)
        return;
    x->first_configured = apr_table_elts(r->subprocess_env)->nelts;
    add_configured(r->subprocess_env, configured);
}

void wsgi_apache_prepare_env(exchange *x)
{
    request_rec *r = x->r;

    if (r->main != NULL)
        forget_inherited(r);
    if (wsgi_apache_is_error_document(r) ||
        (r->prev != NULL && !is_by_configuration(r->prev)))
        forget_renamed(r);
    if (!WSGI_HEADERS_ARE_SAFE)
        drop_unsafe_headers(r);
    add_all(x);
}
