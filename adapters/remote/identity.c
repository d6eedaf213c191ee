/*
 * identity.c - a child of the server that is not what its parent has made it.
 *
 * Modules such as mpm-itk and mod_ruid2 make a child another user before it
 * serves a request. A connection that such a child makes is that user's, and
 * only that user's processes take it. Others would close it. A child with
 * another root directory means other files by the same names.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parent.h"
#include "trip.h"

#define TEXTS 16384 /* of an entry in the list of users */

static int is_named(const char *name, uid_t uid)
{
    char texts[TEXTS];
    struct passwd entry, *found = NULL;

    return getpwnam_r(name, &entry, texts, sizeof texts, &found) == 0 &&
           found != NULL && found->pw_uid == uid;
}

/* Whether an ask is for that user's process. Without a name, it is for the
   user that the child is. */
static int is_for(const wsgi_ask *ask, uid_t uid)
{
    if (ask->user[0] == '\0')
        return 1;
    if (ask->user[0] == '#')
        return strtoul(ask->user + 1, NULL, 10) == uid;
    return is_named(ask->user, uid);
}

static int refuse_user(const wsgi_request *request, const wsgi_ask *ask,
                       uid_t uid)
{
    wsgi_log(request, WSGI_ERROR,
             "MW0635: mod_wsgi.process '%s' is of the user %s, and another "
             "module, as mpm-itk or mod_ruid2, has made this process of the "
             "server the user %lu: have that module choose the same user here",
             ask->name, ask->user, (unsigned long)uid);
    return 500;
}

int wsgi_identity_settle(const wsgi_request *request, wsgi_ask *ask)
{
    long long user = wsgi_parent_user();
    uid_t uid = geteuid();

    if (user < 0 || (uid_t)user == uid)
        return 0;
    if (!is_for(ask, uid))
        return refuse_user(request, ask, uid);
    snprintf(ask->user, sizeof ask->user, "#%lu", (unsigned long)uid);
    return 0;
}

int wsgi_identity_check_root(const wsgi_request *request, const wsgi_ask *ask)
{
    if (wsgi_parent_has_same_root())
        return 0;
    wsgi_log(request, WSGI_ERROR,
             "MW0636: mod_wsgi.process '%s' can't be had: the server's "
             "processes have another root directory (ChrootDir) than those "
             "of applications, and the same path would be another file there: "
             "leave out ChrootDir, or serve this in the server's processes",
             ask->name);
    return 500;
}
