/*
 * section.c - which section of the configuration set our handler.
 *
 * A module without directives is not told. But the server's core keeps its
 * sections where modules can read them, each with its path and its handler;
 * the last that matches and sets our handler is the one that counts.
 */
#include "adapter.h"

/* A sub-request's .htaccess files, for the request that it may become. */
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

/* The URL path that a section is mounted on for this request; NULL when it
   does not match. A regular expression does not say where it ends. */
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

/* The first part of a path, of so many segments. */
static const char *first_segments(request_rec *r, const char *path,
                                  unsigned segments)
{
    const char *end = path;

    while (segments-- > 0 && end != NULL)
        end = strchr(end + 1, '/');
    return end != NULL ? apr_pstrmemdup(r->pool, path, end - path)
                       : apr_pstrdup(r->pool, path);
}

static unsigned count_segments(const char *pattern)
{
    unsigned count = 0;

    for (; *pattern != '\0'; pattern++)
        count += pattern[0] == '/' && pattern[1] != '\0' && pattern[1] != '/';
    return count;
}

/* filename ends in '/', as the paths of sections do. */
static const char *match_directory(request_rec *r, const char *filename,
                                   const core_dir_config *section)
{
    const char *path;

    if (section->r != NULL)
        return NULL;
    if (!section->d_is_fnmatch)
        return wsgi_mount_covers(section->d, filename) ? section->d : NULL;
    path = first_segments(r, filename, count_segments(section->d));
    return apr_fnmatch(section->d, path, APR_FNM_PATHNAME) == APR_SUCCESS ||
                   apr_fnmatch(section->d,
                               apr_pstrcat(r->pool, path, "/", NULL),
                               APR_FNM_PATHNAME) == APR_SUCCESS
               ? path
               : NULL;
}

static int is_deeper(const char *path, const char *other)
{
    return path != NULL && (other == NULL || strlen(path) >= strlen(other));
}

/* After an internal redirect the server still lists the .htaccess files of the
   request before. */
static int is_inside(const char *filename, const char *directory)
{
    return strncmp(filename, directory, strlen(directory)) == 0;
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

        if (is_deeper(path, deepest) && is_ours(r, sections[i]))
            deepest = path;
    }
    for (file = r->htaccess; file != NULL; file = file->next)
        if (file->htaccess != NULL && is_deeper(file->dir, deepest) &&
            is_inside(filename, file->dir) && is_ours(r, file->htaccess))
            deepest = file->dir;
    return deepest;
}

/* Puts a directory into the list, before those that are less deep. */
static int add_deepest_first(void *arg, const char *name,
                             const char *directory)
{
    apr_array_header_t *list = arg;
    const char **directories;
    int i;

    (void)name;
    apr_array_push(list);
    directories = (const char **)(void *)list->elts;
    for (i = list->nelts - 1;
         i > 0 && is_deeper(directory, directories[i - 1]); i--)
        directories[i] = directories[i - 1];
    directories[i] = directory;
    return 1;
}

/* The directories of the .htaccess files that took part, the innermost first;
   NULL if there is none at all. */
static const char *const *list_htaccess(request_rec *r)
{
    apr_array_header_t *list = apr_array_make(r->pool, 4, sizeof(char *));
    const struct htaccess_result *file;
    const request_rec *page, *noted;

    for (file = r->htaccess; file != NULL; file = file->next)
        if (file->htaccess != NULL)
            add_deepest_first(list, NULL, file->dir);
    for (page = r; page != NULL; page = page->main)
        for (noted = page; noted != NULL; noted = noted->prev)
            apr_table_do(add_deepest_first, list, noted->notes, HTACCESS_NOTE,
                         NULL);
    if (list->nelts == 0)
        return NULL;
    *(const char **)apr_array_push(list) = NULL;
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
