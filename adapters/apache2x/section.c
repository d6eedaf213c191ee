/*
 * section.c - which section of the configuration set our handler.
 *
 * The server does not tell a module without directives. But its core keeps the
 * sections where modules can read them, each with its path and its handler.
 * The last section that matches and sets our handler counts.
 */
#include "adapter.h"

/* The note with a sub-request's .htaccess files, for the request that it may
   become. */
#define HTACCESS_NOTE "mod_wsgi.htaccess"

static core_dir_config *core_of(void *section)
{
    return ap_get_module_config((ap_conf_vector_t *)section, &core_module);
}

static int is_ours(request_rec *r, void *section)
{
    const char *handler = wsgi_set_handler(r, core_of(section));

    return handler != NULL && strcmp(handler, WSGI_HANDLER) == 0;
}

/* ---- <Location> ------------------------------------------------------- */

/* The URL path that a section is mounted on for this request, or NULL if the
   section does not match. A regular expression does not tell where the mount
   ends: then it is "/". */
static const char *match_location(request_rec *r,
                                  const core_dir_config *section)
{
    if (section->r != NULL)
        return ap_regexec(section->r, r->uri, 0, NULL, 0) == 0 ? "/" : NULL;
    if (section->d_is_fnmatch)
        return apr_fnmatch(section->d, r->uri, APR_FNM_PATHNAME) == APR_SUCCESS
                   ? r->uri
                   : NULL;
    return wsgi_mount_covers(section->d, r->uri) ? section->d : NULL;
}

static const char *find_location(request_rec *r, core_server_config *core)
{
    void **sections = (void **)(void *)core->sec_url->elts;
    int i = core->sec_url->nelts;

    while (i-- > 0) {
        const char *path = match_location(r, core_of(sections[i]));

        if (path != NULL && is_ours(r, sections[i]))
            return path;
    }
    return NULL;
}

/* ---- <Directory> and .htaccess ---------------------------------------- */

/* The directory that a section is on for this file, or NULL if the section
   does not match. filename ends in '/', as the paths of sections do. */
static const char *match_directory(request_rec *r, const char *filename,
                                   const core_dir_config *section)
{
    const char *path;

    if (section->r != NULL)
        return NULL;
    if (!section->d_is_fnmatch)
        return wsgi_mount_covers(section->d, filename) ? section->d : NULL;
    path = apr_pstrmemdup(r->pool, filename,
                          wsgi_section_front(section->d, filename));
    return apr_fnmatch(section->d, path, APR_FNM_PATHNAME) == APR_SUCCESS ||
                   apr_fnmatch(section->d,
                               apr_pstrcat(r->pool, path, "/", NULL),
                               APR_FNM_PATHNAME) == APR_SUCCESS
               ? path
               : NULL;
}

static const char *find_directory(request_rec *r, core_server_config *core)
{
    void **sections = (void **)(void *)core->sec_dir->elts;
    const struct htaccess_result *file;
    const char *filename = apr_pstrcat(r->pool, r->filename, "/", NULL);
    const char *deepest = NULL;
    int i;

    for (i = 0; i < core->sec_dir->nelts; i++) {
        const char *path = match_directory(r, filename, core_of(sections[i]));

        if (wsgi_section_is_deeper(path, deepest) && is_ours(r, sections[i]))
            deepest = path;
    }
    /* After an internal redirect the server still lists the .htaccess files of
       the request before. */
    for (file = r->htaccess; file != NULL; file = file->next)
        if (file->htaccess != NULL &&
            wsgi_section_is_deeper(file->dir, deepest) &&
            wsgi_section_holds(file->dir, filename) &&
            is_ours(r, file->htaccess))
            deepest = file->dir;
    return deepest;
}

static int add(void *list, const char *name, const char *directory)
{
    (void)name;
    *(const char **)apr_array_push(list) = directory;
    return 1;
}

/* The directories of all .htaccess files that took part, the innermost first,
   then NULL. NULL if there were none. */
static const char *const *list_htaccess(request_rec *r)
{
    apr_array_header_t *list = apr_array_make(r->pool, 4, sizeof(char *));
    const struct htaccess_result *file;
    const request_rec *page, *noted;

    for (file = r->htaccess; file != NULL; file = file->next)
        if (file->htaccess != NULL)
            add(list, NULL, file->dir);
    for (page = r; page != NULL; page = page->main)
        for (noted = page; noted != NULL; noted = noted->prev)
            apr_table_do(add, list, noted->notes, HTACCESS_NOTE, NULL);
    if (list->nelts == 0)
        return NULL;
    wsgi_section_sort((const char **)(void *)list->elts, list->nelts);
    add(list, NULL, NULL);
    return (const char *const *)(void *)list->elts;
}

void wsgi_apache_note_htaccess(request_rec *r)
{
    const struct htaccess_result *file;

    for (file = r->htaccess; file != NULL; file = file->next)
        if (file->htaccess != NULL)
            apr_table_addn(r->notes, HTACCESS_NOTE, file->dir);
}

void wsgi_apache_find_section(request_rec *r, wsgi_request *request)
{
    core_server_config *core =
        ap_get_module_config(r->server->module_config, &core_module);

    request->location = find_location(r, core);
    if (request->location == NULL && r->filename != NULL)
        request->directory = find_directory(r, core);
    request->htaccess = list_htaccess(r);
}
