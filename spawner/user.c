/*
 * user.c - in a forked process: who it is to be.
 *
 * Users are looked up here and not in the spawner, since that may take long:
 * the list of users can be on another machine.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "spawner.h"

#define VARIABLE "MOD_WSGI_USERS"
#define STANDARD "1000-"

static int fail(wsgi_report *report, const char *format, const char *text,
                unsigned long number, const char *more)
{
    report->status = 500;
    snprintf(report->text, sizeof report->text, format, text, number, more);
    return -1;
}

/* ---- The list --------------------------------------------------------- */

/* Whether an entry, "1000", "1000-", "1000-1999" or a name, is this user. */
static int is_entry(const char *entry, size_t size, const char *name,
                    uid_t uid)
{
    char *end;
    unsigned long low, high;

    if (entry[0] < '0' || entry[0] > '9')
        return strlen(name) == size && memcmp(entry, name, size) == 0;
    low = high = strtoul(entry, &end, 10);
    if (*end == '-' && end < entry + size) {
        entry = ++end;
        high = strtoul(entry, &end, 10);
        if (end == entry)
            high = ~0UL;
    }
    return low <= uid && uid <= high;
}

int wsgi_user_is_listed(const char *list, const char *name, uid_t uid)
{
    static const char between[] = ", \t";
    size_t size;

    for (; *list != '\0'; list += size) {
        list += strspn(list, between);
        size = strcspn(list, between);
        if (size > 0 && is_entry(list, size, name, uid))
            return 1;
    }
    return 0;
}

/* ---- Finding ---------------------------------------------------------- */

/* What a found entry is made of. */
static struct passwd found;
static char texts[65536];

static const struct passwd *entry_of(uid_t uid)
{
    struct passwd *entry = NULL;

    return getpwuid_r(uid, &found, texts, sizeof texts, &entry) == 0 ? entry
                                                                     : NULL;
}

static const struct passwd *entry_named(const char *name)
{
    struct passwd *entry = NULL;

    return getpwnam_r(name, &found, texts, sizeof texts, &entry) == 0 ? entry
                                                                      : NULL;
}

static int fill_in(wsgi_user *user, const struct passwd *entry)
{
    user->uid = entry->pw_uid;
    user->gid = entry->pw_gid;
    user->is_known = 1;
    snprintf(user->name, sizeof user->name, "%s", entry->pw_name);
    snprintf(user->home, sizeof user->home, "%s",
             entry->pw_dir[0] == '/' ? entry->pw_dir : "/");
    return 0;
}

/* The server's own user need not be in the list of users. Its group is the
   server's. */
static int find_own(wsgi_user *user)
{
    const struct passwd *entry = entry_of((uid_t)wsgi_spawner_is.user);

    if (entry != NULL) {
        fill_in(user, entry);
    } else {
        user->uid = (uid_t)wsgi_spawner_is.user;
        snprintf(user->name, sizeof user->name, "#%lld", wsgi_spawner_is.user);
        snprintf(user->home, sizeof user->home, "/");
    }
    user->gid = (gid_t)wsgi_spawner_is.group;
    return 0;
}

static int find_number(const char *text, wsgi_user *user, wsgi_report *report)
{
    const struct passwd *entry;
    long long uid = wsgi_ask_number(text);

    if (uid < 0)
        return fail(report, "%s is no user's number%.0lu%s", text + 1, 0, "");
    entry = entry_of((uid_t)uid);
    if (entry != NULL)
        return fill_in(user, entry);
    return fail(report,
                "the user %s%lu has no account on this machine: its "
                "application can't have a process%s",
                "", (unsigned long)uid, "");
}

static int find_name(const char *name, wsgi_user *user, wsgi_report *report)
{
    const struct passwd *entry = entry_named(name);

    if (entry != NULL)
        return fill_in(user, entry);
    return fail(report,
                "mod_wsgi.user is '%s', and there is no such user%.0lu%s",
                name, 0, "");
}

/* ---- Checking --------------------------------------------------------- */

static int check_list(const wsgi_user *user, wsgi_report *report)
{
    const char *list = getenv(VARIABLE);

    if (list == NULL)
        list = STANDARD;
    if (wsgi_user_is_listed(list, user->name, user->uid))
        return 0;
    return fail(report,
                "processes of the user %s (number %lu) are not allowed: "
                "add the name to " VARIABLE
                " in the server's environment, which is '%s'",
                user->name, user->uid, list);
}

static int check(const wsgi_user *user, wsgi_report *report)
{
    if (user->uid == 0)
        return fail(report,
                    "an application can't have a process of %s%.0lu%s: that "
                    "would have every right",
                    user->name, 0, "");
    if (!wsgi_spawner_is.is_root && user->uid != geteuid())
        return fail(report,
                    "the server was not started by root, so it can't start a "
                    "process of the user %s (number %lu)%s",
                    user->name, user->uid, "");
    if (user->uid == (uid_t)wsgi_spawner_is.user)
        return 0;
    if (user->gid == 0)
        return fail(report,
                    "an application can't have a process of the user %s "
                    "(number %lu), whose group is root%s",
                    user->name, user->uid, "");
    return check_list(user, report);
}

int wsgi_user_find(const wsgi_ask *ask, wsgi_user *user, wsgi_report *report)
{
    int result;

    *user = (wsgi_user){.is_known = 0};
    if (ask->user[0] == '\0')
        result = find_own(user);
    else if (ask->user[0] == '#')
        result = find_number(ask->user, user, report);
    else
        result = find_name(ask->user, user, report);
    return result < 0 ? result : check(user, report);
}

/* ---- Becoming --------------------------------------------------------- */

static int set_groups(const wsgi_user *user)
{
    return user->is_known ? initgroups(user->name, user->gid)
                          : setgroups(1, &user->gid);
}

/* Whether there is a way back to root. */
static int is_for_good(const wsgi_user *user)
{
    uid_t u[3];
    gid_t g[3];

    return getresuid(u, u + 1, u + 2) == 0 &&
           getresgid(g, g + 1, g + 2) == 0 && u[0] == user->uid &&
           u[1] == user->uid && u[2] == user->uid && g[0] == user->gid &&
           g[1] == user->gid && g[2] == user->gid && setuid(0) < 0 &&
           seteuid(0) < 0;
}

int wsgi_user_become(const wsgi_user *user, wsgi_report *report)
{
    if (!wsgi_spawner_is.is_root)
        return 0;
    if (set_groups(user) == 0 &&
        setresgid(user->gid, user->gid, user->gid) == 0 &&
        setresuid(user->uid, user->uid, user->uid) == 0 && is_for_good(user))
        return 0;
    return fail(report,
                "mod_wsgi-spawner can't become the user %s (number %lu): %s",
                user->name, user->uid, strerror(errno));
}
