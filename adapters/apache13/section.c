/*
 * section.c - which section of the configuration set our handler.
 *
 * The server does not tell a module without directives. But its core keeps the
 * sections where modules can read them, each with its path. The last section
 * that matches and sets our handler counts. In 1.3 SetHandler is a directive
 * of mod_mime. mod_mime's table of commands tells where in its configuration
 * the handler is.
 */
#include "adapter.h"

/* The note with a sub-request's .htaccess files, for the request that it may
   become. */
#define HTACCESS_NOTE "mod_wsgi.htaccess"

static core_dir_config *core_of(void *section)
{
    return ap_get_module_config(section, &core_module);
}

const char *wsgi_apache_set_handler(void *section)
{
    const module *mime = ap_find_linked_module("mod_mime.c");
    const command_rec *command = mime != NULL ? mime->cmds : NULL;
    const char *configuration;

    if (mime == NULL || section == NULL)
        return NULL;
    configuration = ap_get_module_config(section, mime);
    while (command != NULL && command->name != NULL &&
           strcasecmp(command->name, "SetHandler") != 0)
        command++;
    if (command == NULL || command->name == NULL || configuration == NULL)
        return NULL;
    return *(const char *const *)(const void *)(configuration +
                                                (size_t)command->cmd_data);
}

static int is_ours(void *section)
{
    const char *handler = wsgi_apache_set_handler(section);

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
        return ap_fnmatch(section->d, r->uri, FNM_PATHNAME) == 0 ? r->uri
                                                                 : NULL;
    return wsgi_mount_covers(section->d, r->uri) ? section->d : NULL;
}

static const char *find_location(request_rec *r, core_server_config *core)
{
    void **sections = (void **)(void *)core->sec_url->elts;
    int i = core->sec_url->nelts;

    while (i-- > 0) {
        const char *path = match_location(r, core_of(sections[i]));

        if (path != NULL && is_ours(sections[i]))
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
    path = ap_pstrndup(r->pool, filename,
                       (int)wsgi_section_front(section->d, filename));
    return ap_fnmatch(section->d, path, FNM_PATHNAME) == 0 ||
                   ap_fnmatch(section->d, ap_pstrcat(r->pool, path, "/", NULL),
                              FNM_PATHNAME) == 0
               ? path
               : NULL;
}

static const char *find_directory(request_rec *r, core_server_config *core)
{
    void **sections = (void **)(void *)core->sec->elts;
    const struct htaccess_result *file;
    const char *filename = ap_pstrcat(r->pool, r->filename, "/", NULL);
    const char *deepest = NULL;
    int i;

    for (i = 0; i < core->sec->nelts; i++) {
        const char *path = match_directory(r, filename, core_of(sections[i]));

        if (wsgi_section_is_deeper(path, deepest) && is_ours(sections[i]))
            deepest = path;
    }
    /* After an internal redirect the server still lists the .htaccess files of
       the request before. */
    for (file = r->htaccess; file != NULL; file = file->next)
        if (file->htaccess != NULL &&
            wsgi_section_is_deeper(file->dir, deepest) &&
            wsgi_section_holds(file->dir, filename) && is_ours(file->htaccess))
            deepest = file->dir;
    return deepest;
}

static int add(void *list, const char *name, const char *directory)
{
    (void)name;
    *(const char **)ap_push_array(list) = directory;
    return 1;
}

/* The directories of all .htaccess files that took part, the innermost first,
   then NULL. NULL if there were none. */
static const char *const *list_htaccess(request_rec *r)
{
    array_header *list = ap_make_array(r->pool, 4, sizeof(char *));
    const struct htaccess_result *file;
    const request_rec *page, *noted;

    for (file = r->htaccess; file != NULL; file = file->next)
        if (file->htaccess != NULL)
            add(list, NULL, file->dir);
    for (page = r; page != NULL; page = page->main)
        for (noted = page; noted != NULL; noted = noted->prev)
            ap_table_do(add, list, noted->notes, HTACCESS_NOTE, NULL);
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
            ap_table_addn(r->notes, HTACCESS_NOTE, file->dir);
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
