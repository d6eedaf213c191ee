/*
 * environ.c - the CGI environment of a request.
 *
 * The server builds it in r->subprocess_env, where SetEnv and its kin have
 * put their variables before. What a client or an enclosing request must not
 * decide is taken out first.
 */
#include "adapter.h"

/* How many of the first entries of a table are this one: name and value in
   the same memory. */
static int count_same(const table_entry *entries, int count,
                      const table_entry *entry)
{
    int i, same = 0;

    for (i = 0; i < count; i++)
        same += entries[i].val == entry->val &&
                strcasecmp(wsgi_plain_name(entries[i].key),
                           wsgi_plain_name(entry->key)) == 0;
    return same;
}

/* How many copies of its parent's table a sub-request has. To look for the
   best of several files mod_negotiation makes another sub-request, and puts
   the table of that one before its own (mod_dir does not here). The server
   has put this variable into the table of each page with includes, and no
   configuration adds the same memory. */
static int count_copies(const array_header *mine, const array_header *theirs)
{
    const table_entry *entries = (const table_entry *)(void *)mine->elts;
    const table_entry *parents = (const table_entry *)(void *)theirs->elts;
    int i, copies = 0;

    for (i = 0; i < theirs->nelts && copies == 0; i++)
        if (strcasecmp(parents[i].key, "REMOTE_ADDR") == 0)
            copies = count_same(entries, mine->nelts, &parents[i]);
    return copies > 0 ? copies : 1;
}

/*
 * A sub-request begins with a copy of its parent's table, into which an SSI
 * page may have #set our names, or those that are believed. Its own
 * configuration adds entries behind the copy; only those of such names stay.
 * The server's own words are added again (ap_add_common_vars); modules for
 * TLS have replaced theirs already, with copies.
 */
static void forget_inherited(request_rec *r)
{
    const array_header *mine = ap_table_elts(r->subprocess_env);
    const array_header *theirs = ap_table_elts(r->main->subprocess_env);
    const table_entry *entries = (const table_entry *)(void *)mine->elts;
    const table_entry *parents = (const table_entry *)(void *)theirs->elts;
    table *kept = ap_make_table(r->pool, mine->nelts);
    int i, copies = count_copies(mine, theirs);

    for (i = 0; i < mine->nelts; i++)
        if ((!wsgi_is_setting(entries[i].key) &&
             !wsgi_is_believed(entries[i].key)) ||
            count_same(entries, i, &entries[i]) >=
                copies * count_same(parents, theirs->nelts, &entries[i]))
            ap_table_addn(kept, entries[i].key, entries[i].val);
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

/* The settings of what failed are not those of the page that says so. */
static void forget_failed(request_rec *r)
{
    const array_header *all = ap_table_elts(r->subprocess_env);
    const table_entry *entry = (const table_entry *)(void *)all->elts;
    table *kept = ap_make_table(r->pool, all->nelts);
    int i;

    for (i = 0; i < all->nelts; i++, entry++)
        if (!wsgi_is_setting(entry->key) ||
            wsgi_plain_name(entry->key) == entry->key)
            ap_table_addn(kept, entry->key, entry->val);
    r->subprocess_env = kept;
}

/* Whether a header's name gives a variable no other name gives. */
static int is_unambiguous(const char *name)
{
    for (; *name != '\0'; name++)
        if (!ap_isalnum(*name) && *name != '-')
            return 0;
    return 1;
}

/* Removes one header from the request, and its variable, which an earlier
   phase may have made. */
static void drop_header(request_rec *r, const char *name)
{
    char *variable = ap_pstrcat(r->pool, "HTTP_", name, NULL);
    char *c;

    for (c = variable; *c != '\0'; c++)
        *c = (char)(ap_isalnum(*c) ? ap_toupper(*c) : '_');
    ap_table_unset(r->subprocess_env, variable);
    ap_table_unset(r->headers_in, name);
}

/* X_Forwarded_For would pass for X-Forwarded-For, and Proxy for a setting of
   this machine (CVE-2016-5387). */
static void drop_ambiguous_headers(request_rec *r)
{
    const array_header *all = ap_table_elts(r->headers_in);
    int i = all->nelts;

    while (i-- > 0) {
        const table_entry *entry = (const table_entry *)(void *)all->elts + i;

        if (!is_unambiguous(entry->key) ||
            strcasecmp(entry->key, "Proxy") == 0) {
            drop_header(r, ap_pstrdup(r->pool, entry->key));
            i = all->nelts;
        }
    }
}

void wsgi_apache_prepare_env(request_rec *r)
{
    if (r->main != NULL)
        forget_inherited(r);
    if (wsgi_apache_is_error_document(r))
        forget_failed(r);
    drop_ambiguous_headers(r);
    ap_add_common_vars(r);
    ap_add_cgi_vars(r);
    if (!wsgi_apache_has_body(r))
        ap_table_unset(r->subprocess_env, "CONTENT_LENGTH");
}
