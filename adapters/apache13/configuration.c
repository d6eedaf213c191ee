/*
 * configuration.c - tells the server's configuration from others.
 *
 * The server forgets its directives when it has obeyed them. So this reads the
 * lines of the files again, and follows those that include others.
 */
#include "adapter.h"

#include <ctype.h>
#include <glob.h>
#include <http_conf_globals.h>

#include "../remote/memory.h"

#define MOST_INCLUDES 16 /* one file in another */

static uint32_t noted;

static uint32_t add_file(pool *p, uint32_t sum, const char *path, int depth);

/* The name in a line that has the server read another file, or NULL. */
static const char *included(pool *p, const char *line)
{
    const char *directive;

    while (isspace((unsigned char)*line))
        line++;
    directive = ap_getword_conf(p, &line);
    if (strcasecmp(directive, "Include") != 0 &&
        strcasecmp(directive, "ResourceConfig") != 0 &&
        strcasecmp(directive, "AccessConfig") != 0)
        return NULL;
    return ap_server_root_relative(p, ap_getword_conf(p, &line));
}

/* All files of a directory or a pattern, or the file of that name. */
static uint32_t add_all(pool *p, uint32_t sum, const char *name, int depth)
{
    const char *pattern = name;
    glob_t found;
    size_t i;

    if (ap_is_directory(name))
        pattern = ap_pstrcat(p, name, "/*", NULL);
    if (glob(pattern, 0, NULL, &found) != 0)
        return wsgi_memory_tell_apart(sum, name);
    for (i = 0; i < found.gl_pathc; i++)
        sum = ap_is_directory(found.gl_pathv[i])
                  ? add_all(p, sum, found.gl_pathv[i], depth + 1)
                  : add_file(p, sum, found.gl_pathv[i], depth + 1);
    globfree(&found);
    return sum;
}

static uint32_t add_file(pool *p, uint32_t sum, const char *path, int depth)
{
    char line[MAX_STRING_LEN];
    configfile_t *file = depth < MOST_INCLUDES ? ap_pcfg_openfile(p, path)
                                               : NULL;
    const char *other;

    if (file == NULL)
        return wsgi_memory_tell_apart(sum, path);
    while (!ap_cfg_getline(line, sizeof line, file)) {
        sum = wsgi_memory_tell_apart(sum, line);
        other = included(p, line);
        if (other != NULL)
            sum = add_all(p, sum, other, depth);
    }
    ap_cfg_closefile(file);
    return sum;
}

void wsgi_apache_note_configuration(void)
{
    pool *p = ap_make_sub_pool(NULL);

    noted = add_file(p, 0, ap_server_root_relative(p, ap_server_confname), 0);
    ap_destroy_pool(p);
}

uint32_t wsgi_apache_configuration(void)
{
    return noted;
}
