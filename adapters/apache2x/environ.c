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

/* How many of the first entries of a table are this one: name and value in
   the same memory. */
static int count_same(const apr_table_entry_t *entries, int count,
                      const apr_table_entry_t *entry)
{
    int i, same = 0;

    for (i = 0; i < count; i++)
        same += entries[i].val == entry->val &&
                strcasecmp(wsgi_plain_name(entries[i].key),
                           wsgi_plain_name(entry->key)) == 0;
    return same;
}

/* How many copies of its parent's table a sub-request has. To look for an
   index, or the best of several files, the server makes another sub-request,
   and puts that one's table before its own (ap_internal_fast_redirect). It
   has put this variable into the table of each page with includes, and no
   configuration adds the same memory. */
static int count_copies(const apr_array_header_t *mine,
                        const apr_array_header_t *theirs)
{
    const apr_table_entry_t *entries =
        (const apr_table_entry_t *)(const void *)mine->elts;
    const apr_table_entry_t *parents =
        (const apr_table_entry_t *)(const void *)theirs->elts;
    int i, copies = 0;

    for (i = 0; i < theirs->nelts && copies == 0; i++)
        if (strcasecmp(parents[i].key, "REMOTE_ADDR") == 0)
            copies = count_same(entries, mine->nelts, &parents[i]);
    return copies > 0 ? copies : 1;
}

/* Whether the module for TLS says the same of this connection. It gives what
   is in the same memory to a parent and to its sub-request. */
static int is_true(request_rec *r, const apr_table_entry_t *entry)
{
    APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *look_up =
        APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    const char *name = wsgi_plain_name(entry->key), *truth = NULL;

    if (look_up != NULL &&
        (strcmp(name, "HTTPS") == 0 || strncmp(name, "SSL_", 4) == 0))
        truth = look_up(r->pool, r->server, r->connection, r, (char *)name);
    return truth != NULL && *truth != '\0' && strcmp(truth, entry->val) == 0;
}

/*
 * A sub-request begins with a copy of its parent's table, into which an SSI
 * page may have #set our names, or those that are believed. Its own
 * configuration adds entries behind the copy; only those of such names stay.
 * The server's own words are added again (ap_add_common_vars), or are true.
 */
static void forget_inherited(request_rec *r)
{
    const apr_array_header_t *mine = apr_table_elts(r->subprocess_env);
    const apr_array_header_t *theirs = apr_table_elts(r->main->subprocess_env);
    const apr_table_entry_t *entries =
        (const apr_table_entry_t *)(const void *)mine->elts;
    const apr_table_entry_t *parents =
        (const apr_table_entry_t *)(const void *)theirs->elts;
    apr_table_t *kept = apr_table_make(r->pool, mine->nelts);
    int i, copies = count_copies(mine, theirs);

    for (i = 0; i < mine->nelts; i++)
        if ((!wsgi_is_setting(entries[i].key) &&
             !wsgi_is_believed(entries[i].key)) ||
            count_same(entries, i, &entries[i]) >=
                copies * count_same(parents, theirs->nelts, &entries[i]) ||
            is_true(r, &entries[i]))
            apr_table_addn(kept, entries[i].key, entries[i].val);
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
    const apr_array_header_t *all = apr_table_elts(r->subprocess_env);
    const apr_table_entry_t *entry =
        (const apr_table_entry_t *)(const void *)all->elts;
    apr_table_t *kept = apr_table_make(r->pool, all->nelts);
    int i;

    for (i = 0; i < all->nelts; i++, entry++)
        if (!wsgi_is_setting(entry->key) ||
            wsgi_plain_name(entry->key) == entry->key)
            apr_table_addn(kept, entry->key, entry->val);
    r->subprocess_env = kept;
}

/* Whether a header's name gives a variable no other name gives. */
static int is_unambiguous(const char *name)
{
    for (; *name != '\0'; name++)
        if (!apr_isalnum(*name) && *name != '-')
            return 0;
    return 1;
}

/* Removes one header from the request, and its variable, which an earlier
   phase may have made. */
static void drop_header(request_rec *r, const char *name)
{
    char *variable = apr_pstrcat(r->pool, "HTTP_", name, NULL);
    char *c;

    for (c = variable; *c != '\0'; c++)
        *c = apr_isalnum(*c) ? apr_toupper(*c) : '_';
    apr_table_unset(r->subprocess_env, variable);
    apr_table_unset(r->headers_in, name);
}

/* X_Forwarded_For would pass for X-Forwarded-For, and Proxy for a setting of
   this machine (CVE-2016-5387). */
static void drop_ambiguous_headers(request_rec *r)
{
    const apr_array_header_t *all = apr_table_elts(r->headers_in);
    int i = all->nelts;

    while (i-- > 0) {
        const apr_table_entry_t *entry =
            (const apr_table_entry_t *)(const void *)all->elts + i;

        if (!is_unambiguous(entry->key) ||
            strcasecmp(entry->key, "Proxy") == 0) {
            drop_header(r, apr_pstrdup(r->pool, entry->key));
            i = all->nelts;
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
        drop_ambiguous_headers(r);
    add_common_vars(r);
    ap_add_cgi_vars(r);
    if (!wsgi_apache_has_body(r))
        apr_table_unset(r->subprocess_env, "CONTENT_LENGTH");
}
