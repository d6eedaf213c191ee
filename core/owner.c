/*
 * owner.c - what the configuration of a customer may do.
 *
 * On a shared host customers configure their directories with .htaccess
 * files. A request in which one took part may do less: run only what belongs
 * to the owner of that directory, in interpreters that are that owner's only.
 */
#include <sys/stat.h>

#include "core.h"

#define FORBIDDEN 403

static int forbid(const wsgi_request *request, const char *why)
{
    wsgi_log(request, WSGI_ERROR,
             "the .htaccess file of %s may not have %s run: %s",
             request->htaccess, request->uri, why);
    return FORBIDDEN;
}

int wsgi_owner_find(const wsgi_request *request, wsgi_settings *settings)
{
    struct stat info;

    settings->owner = -1;
    if (request->htaccess == NULL)
        return 0;
    if (!request->may_execute)
        return forbid(request, "the server's administrator has to allow it "
                               "with \"Options +ExecCGI\" for this directory");
    if (settings->interpreter != NULL &&
        strcmp(settings->interpreter, "main_interpreter") == 0)
        return forbid(request, "mod_wsgi.interpreter main_interpreter is the "
                               "administrator's; choose another name");
    if (settings->application != NULL && settings->directory == NULL &&
        !request->is_file)
        return forbid(request, "set mod_wsgi.directory to the directory that "
                               "holds the application");
    if (stat(request->htaccess, &info) < 0)
        return forbid(request, "that directory can't be looked at");
    settings->owner = (long)info.st_uid;
    return 0;
}

int wsgi_owner_check(const wsgi_request *request, const wsgi_settings *s,
                     int fd, const char *what, const char *path)
{
    struct stat info;

    if (s->owner < 0)
        return 0;
    if (fstat(fd, &info) < 0) {
        wsgi_log(request, WSGI_ERROR, "%s '%s' can't be looked at", what,
                 path);
        return FORBIDDEN;
    }
    if ((long)info.st_uid != s->owner) {
        wsgi_log(request, WSGI_ERROR,
                 "%s '%s' belongs to the user %ld, and the .htaccess file of "
                 "%s is the user %ld's: a customer's application must be the "
                 "customer's own",
                 what, path, (long)info.st_uid, request->htaccess, s->owner);
        return FORBIDDEN;
    }
    if (info.st_mode & S_IWOTH) {
        wsgi_log(request, WSGI_ERROR,
                 "%s '%s' can be written to by everybody: take that away with "
                 "\"chmod o-w\"",
                 what, path);
        return FORBIDDEN;
    }
    return 0;
}
