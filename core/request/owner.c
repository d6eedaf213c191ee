/*
 * owner.c - what a customer's configuration may do.
 *
 * On a shared host customers configure their directories with .htaccess files.
 * A request that was configured by such a file may do less than others. It may
 * only run what belongs to the directory's owner, and only in interpreters of
 * that owner.
 */
#include <errno.h>
#include <pwd.h>
#include <strings.h>
#include <sys/stat.h>

#include "request.h"

#define FORBIDDEN 403
#define NOBODY "none" /* the value of WSGI_USERS without processes */

static int forbid(const wsgi_request *request, const char *why)
{
    wsgi_log(request, WSGI_ERROR,
             "MW0201: the .htaccess file of %s may not serve %s: %s",
             request->htaccess[0], request->uri, why);
    return FORBIDDEN;
}

/* Finds the owner of the .htaccess files that configured a request. Some may
   be root's, the server's administrator. But the files of two customers must
   not meet in one request, which a link is enough to bring about: one customer
   could then add to the settings of the other. */
static int find_owner(const wsgi_request *request, long long *owner)
{
    wsgi_walk walk = {.owner = 0};
    const char *const *dir;

    for (dir = request->htaccess; *dir != NULL; dir++)
        if (wsgi_walk_to(&walk, *dir) < 0)
            return forbid(request, walk.problem);
    *owner = walk.owner;
    return 0;
}

int wsgi_owner_of(const wsgi_request *request, long long *owner)
{
    *owner = -1;
    return request->htaccess != NULL ? find_owner(request, owner) : 0;
}

static int is_off(const wsgi_settings *settings)
{
    return settings->process != NULL && settings->process[0] == '\0';
}

/* Customers have processes of their own, unless the administrator has none for
   them. Root is no customer: no application ever has a process of root's. */
static int choose_process(const wsgi_request *request, wsgi_settings *settings)
{
    if (settings->owner == 0)
        return 0;
    if (settings->user != NULL)
        return forbid(request, "mod_wsgi.user is the administrator's; a "
                               "customer's application runs as the customer");
    if (strcasecmp(wsgi_settings_of_process()->users, NOBODY) == 0)
        settings->process = NULL;
    else if (is_off(settings))
        return forbid(request, "mod_wsgi.process off is the administrator's; "
                               "a customer's application runs as the "
                               "customer, in processes of its own");
    else if (settings->process == NULL)
        settings->process = WSGI_PROCESS_AUTO;
    return 0;
}

/* What .htaccess files may ask for. */
static int check_customer(const wsgi_request *request, wsgi_settings *settings)
{
    int status;

    if (!request->may_execute)
        return forbid(request, "the server's administrator has to allow it "
                               "with \"Options +ExecCGI\" for this directory");
    if (settings->application != NULL && settings->directory == NULL)
        return forbid(request, "set mod_wsgi.directory to the directory that "
                               "holds the application");
    status = find_owner(request, &settings->owner);
    if (status == 0)
        status = choose_process(request, settings);
    if (status != 0)
        return status;
    if ((settings->process == NULL || is_off(settings)) &&
        wsgi_settings_want_main(settings))
        return forbid(request, "mod_wsgi.interpreter main_interpreter is the "
                               "administrator's; choose another name");
    return 0;
}

/* Refuses what only a process of its own can have. The application would
   otherwise run as the server's user, or in another Python. */
static int check_embedded(const wsgi_request *request, const wsgi_settings *s)
{
    const char *name = s->user != NULL ? "user" : "python";
    const char *value = s->user != NULL ? s->user : s->python;

    if (s->process != NULL || value == NULL)
        return 0;
    wsgi_log(request, WSGI_ERROR,
             "MW0202: mod_wsgi.%s '%s' needs %s, or take it out", name, value,
             s->owner > 0 ? "processes of customers, which the administrator "
                            "has forbidden (" WSGI_USERS " is none)"
                          : "mod_wsgi.process: write \"SetEnv "
                            "mod_wsgi.process auto\" beside it");
    return 500;
}

int wsgi_owner_find(const wsgi_request *request, wsgi_settings *settings)
{
    int status;

    settings->owner = -1;
    if (wsgi_process_given.has_owner) {
        settings->owner = wsgi_process_given.owner;
        settings->process = NULL;
        return 0;
    }
    if (request->htaccess != NULL) {
        status = check_customer(request, settings);
        if (status != 0)
            return status;
    }
    if (is_off(settings))
        settings->process = NULL;
    return check_embedded(request, settings);
}

/* Logs that a file or directory is not the customer's. */
static int forbid_file(const wsgi_request *request, const wsgi_settings *s,
                       const char *what, const char *path, long long owner)
{
    if (wsgi_process_given.has_owner)
        wsgi_log(
            request, WSGI_ERROR,
            "MW0203: %s '%s' belongs to the user %lld, and this process is "
            "the user %lld's: a customer's application must be the customer's "
            "own",
            what, path, owner, s->owner);
    else
        wsgi_log(
            request, WSGI_ERROR,
            "MW0204: %s '%s' belongs to the user %lld, and the .htaccess "
            "file of %s is the user %lld's: a customer's application must "
            "be the customer's own",
            what, path, owner, request->htaccess[0], s->owner);
    return FORBIDDEN;
}

int wsgi_owner_check(const wsgi_request *request, const wsgi_settings *s,
                     int fd, const char *what, const char *path)
{
    struct stat info;

    if (s->owner < 0)
        return 0;
    if (fstat(fd, &info) < 0) {
        wsgi_log(request, WSGI_ERROR, "MW0205: %s '%s' can't be looked at: %s",
                 what, path, strerror(errno));
        return FORBIDDEN;
    }
    if (!S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode)) {
        wsgi_log(request, WSGI_ERROR,
                 "MW0206: %s '%s' is neither a file nor a directory", what,
                 path);
        return FORBIDDEN;
    }
    if ((long long)info.st_uid != s->owner)
        return forbid_file(request, s, what, path, (long long)info.st_uid);
    if (info.st_mode & S_IWOTH) {
        wsgi_log(request, WSGI_ERROR,
                 "MW0207: %s '%s' can be written to by everybody: forbid that "
                 "with \"chmod o-w\"",
                 what, path);
        return FORBIDDEN;
    }
    return 0;
}

void wsgi_owner_name(long long owner, char *name, size_t size)
{
    char room[4096];
    struct passwd record, *found = NULL;

    snprintf(name, size, "#%lld", owner);
    if (getpwuid_r((uid_t)owner, &record, room, sizeof room, &found) == 0 &&
        found != NULL)
        snprintf(name, size, "%s", found->pw_name);
}
