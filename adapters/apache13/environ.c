/*
 * environ.c - the CGI environment of a request.
 *
 * The server makes it in r->subprocess_env. SetEnv and similar directives have
 * put their variables there before. Variables that a client or an enclosing
 * request must not decide are taken out first.
 */
#include "adapter.h"

static wsgi_entry get_entry(const void *entries, int i)
{
    const table_entry *entry = (const table_entry *)entries + i;

    return (wsgi_entry){entry->key, entry->val};
}

static wsgi_table view(const table *table)
{
    const array_header *all = ap_table_elts(table);

    return (wsgi_table){all->elts, all->nelts, get_entry};
}

/*
 * A sub-request's table begins with a copy of its parent's. If the parent is a
 * page with includes, that page may have #set our settings there, or variables
 * that are believed. Of those only the entries stay that the sub-request's own
 * configuration has added. The server's own are added again by
 * ap_add_common_vars. Modules for TLS have already added theirs, in memory of
 * their own.
 */
static void forget_inherited(request_rec *r)
{
    wsgi_table mine = view(r->subprocess_env);
    wsgi_table theirs = view(r->main->subprocess_env);
    table *kept = ap_make_table(r->pool, mine.count);
    int i, copies = wsgi_copies_count(&mine, &theirs);

    for (i = 0; i < mine.count; i++) {
        wsgi_entry entry = get_entry(mine.entries, i);

        if (wsgi_copies_may_stay(&mine, i, &theirs, copies))
            ap_table_addn(kept, entry.name, entry.value);
    }
    ap_table_unset(kept, "PATH_TRANSLATED"); /* of the parent's path */
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
    table *kept = ap_make_table(r->pool, all.count);
    int i;

    for (i = 0; i < all.count; i++) {
        wsgi_entry entry = get_entry(all.entries, i);

        if (!wsgi_is_renamed_setting(entry.name))
            ap_table_addn(kept, entry.name, entry.value);
    }
    r->subprocess_env = kept;
}

/* Removes a header from the request. An earlier phase may have made a variable
   of it, so that goes, too. */
static void drop_header(request_rec *r, const char *name)
{
    char *variable =
        ap_palloc(r->pool, (int)(sizeof WSGI_HEADER_FRONT + strlen(name)));

    wsgi_header_to_variable(name, variable);
    ap_table_unset(r->subprocess_env, variable);
    ap_table_unset(r->headers_in, name);
}

static void drop_unsafe_headers(request_rec *r)
{
    wsgi_table all = view(r->headers_in);
    int i = all.count;

    while (i-- > 0) {
        const char *name = get_entry(all.entries, i).name;

        if (wsgi_header_is_unsafe(name)) {
            drop_header(r, ap_pstrdup(r->pool, name));
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

/* Whether nobody may have checked the password of connection->user. The server
   keeps that name for the whole connection. It sets the name before it checks
   the password, in sub-requests, too. */
static int is_user_unsure(request_rec *r)
{
    const request_rec *page;

    if (!ap_some_auth_required(r))
        return 1;
    for (page = r; page != NULL; page = page->main)
        if (has_failed_early(page))
            return 1;
    return ap_satisfies(r) == SATISFY_ANY &&
           (r->main != NULL || r->prev != NULL);
}

/* Adds the server's own variables, without a user's name that is unsure. */
static void add_common_vars(request_rec *r)
{
    conn_rec *c = r->connection;
    char *user = c->user, *type = c->ap_auth_type;

    if (is_user_unsure(r))
        c->user = c->ap_auth_type = NULL;
    ap_add_common_vars(r);
    c->user = user;
    c->ap_auth_type = type;
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
        ap_table_setn(r->subprocess_env, "SCRIPT_NAME",
                      ap_pstrndup(r->pool, r->uri,
                                  ap_find_path_info(r->uri, path_info)));
    ap_table_setn(r->subprocess_env, "PATH_INFO", path_info);
}

void wsgi_apache_prepare_env(request_rec *r)
{
    if (r->main != NULL)
        forget_inherited(r);
    if (wsgi_apache_is_error_document(r) ||
        (r->prev != NULL && !is_by_configuration(r->prev)))
        forget_renamed(r);
    drop_unsafe_headers(r);
    add_common_vars(r);
    add_cgi_vars(r);
    if (!wsgi_apache_has_body(r))
        ap_table_unset(r->subprocess_env, "CONTENT_LENGTH");
}
