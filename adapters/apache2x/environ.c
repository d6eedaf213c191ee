/*
 * environ.c - the CGI environment of a request.
 *
 * The server builds it in r->subprocess_env, where SetEnv and its kin have
 * put their variables before. What a client or an enclosing request must not
 * decide is taken out first.
 */
#include "adapter.h"

#include <apr_optional.h>

/* mod_ssl's, and that of those who took its name. */
APR_DECLARE_OPTIONAL_FN(char *, ssl_var_lookup,
                        (apr_pool_t *, server_rec *, conn_rec *, request_rec *,
                         char *));

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

/* Whether the module for TLS says the same of this connection. It gives what
   is in the same memory to a parent and to its sub-request. */
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
 * A sub-request begins with a copy of its parent's table, into which an SSI
 * page may have #set our names, or those that are believed. Its own
 * configuration adds entries behind the copy; only those of such names stay.
 * The server's own words are added again (ap_add_common_vars), or are true.
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

/* Whether the server goes on with another URL because its configuration says
   so: mod_rewrite's handler, or a directory's index. Else it was told to by a
   file or a program. */
static int is_by_configuration(const request_rec *r)
{
    const char *by = r->handler != NULL ? r->handler : r->content_type;

    return by != NULL && (strcmp(by, "redirect-handler") == 0 ||
                          strcmp(by, DIR_MAGIC_TYPE) == 0);
}

/* The settings of what failed, or of what named this URL, are not this one's.
 */
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

/* Removes one header from the request, and its variable, which an earlier
   phase may have made. */
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

/* Whether a request stands for one that failed with what authentication fails
   with: no password or a wrong one, one that makes no sense, or trouble in
   looking it up. */
static int has_failed_early(const request_rec *r)
{
    for (r = r->prev; r != NULL; r = r->prev)
        if (r->status == HTTP_UNAUTHORIZED || r->status == HTTP_BAD_REQUEST ||
            r->status == HTTP_INTERNAL_SERVER_ERROR)
            return 1;
    return 0;
}

/* Whether the server's name for the user may be one whose password was wrong:
   it is set before that is known, and the page that says so has it from the
   request that failed. */
static int is_user_unsure(const request_rec *r)
{
    for (; r != NULL; r = r->main)
        if (has_failed_early(r))
            return 1;
    return 0;
}

/* The server's own words, without a user's name that is unsure. */
static void add_common_vars(request_rec *r)
{
    char *user = r->user, *type = r->ap_auth_type;

    if (is_user_unsure(r))
        r->user = r->ap_auth_type = NULL;
    ap_add_common_vars(r);
    r->user = user;
    r->ap_auth_type = type;
}

void wsgi_apache_prepare_env(request_rec *r)
{
    if (r->main != NULL)
        forget_inherited(r);
    if (wsgi_apache_is_error_document(r) ||
        (r->prev != NULL && !is_by_configuration(r->prev)))
        forget_renamed(r);
    if (!WSGI_HEADERS_ARE_SAFE)
        drop_unsafe_headers(r);
    add_common_vars(r);
    ap_add_cgi_vars(r);
    if (!wsgi_apache_has_body(r))
        apr_table_unset(r->subprocess_env, "CONTENT_LENGTH");
}
