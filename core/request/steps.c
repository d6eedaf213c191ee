/*
 * steps.c - finds the step on the way to a file that is closed to this
 * process.
 *
 * The system says only "Permission denied", and the server's user cannot see
 * beyond the first directory that it may not enter. So the steps are tried one
 * by one.
 */
#include <errno.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"

#define MOST_LINKS 20
#define MOST_GROUPS 256

/* Whose permissions apply to this process: the owner's, the group's or those
   of others. */
static char class_of(const struct stat *info)
{
    gid_t groups[MOST_GROUPS];
    int i, count = getgroups(MOST_GROUPS, groups);

    if (info->st_uid == geteuid())
        return 'u';
    if (info->st_gid == getegid())
        return 'g';
    for (i = 0; i < count; i++)
        if (groups[i] == info->st_gid)
            return 'g';
    return 'o';
}

/* Which of R_OK and X_OK a mode denies to a class. */
static int denied_by_mode(const struct stat *info, char class, int needed)
{
    int shift = class == 'u' ? 6 : class == 'g' ? 3 : 0;

    return needed & ~((int)(info->st_mode >> shift) & 7);
}

static void store_user(char *name, size_t size)
{
    struct passwd entry, *found = NULL;
    char memory[4096];

    if (getpwuid_r(geteuid(), &entry, memory, sizeof memory, &found) == 0 &&
        found != NULL)
        snprintf(name, size, "'%s'", entry.pw_name);
    else
        snprintf(name, size, "%lld", (long long)geteuid());
}

/* Stores which step is closed, and how to open it. */
static void tell(const char *step, const struct stat *info, int needed,
                 int is_last, char *text, size_t size)
{
    char class = class_of(info), user[64], remedy[WSGI_WALK_PATH + 128];
    int denied = denied_by_mode(info, class, needed);

    store_user(user, sizeof user);
    if (denied != 0)
        snprintf(remedy, sizeof remedy, "\"chmod %c+%s%s %s\"", class,
                 denied & R_OK ? "r" : "", denied & X_OK ? "x" : "", step);
    else
        snprintf(remedy, sizeof remedy,
                 "its mode allows that, so look at what else forbids it "
                 "(an ACL, SELinux, AppArmor, ProtectHome of the service)");
    if (denied == 0)
        denied = needed;
    snprintf(text, size, "the server's user %s cannot %s '%s': %s%s", user,
             denied & X_OK ? "enter" : "read", step, remedy,
             is_last ? ""
                     : "; the steps after it cannot be seen yet and may need "
                       "the same (\"namei -l\" shows every step)");
}

/* Replaces a link in the path by its target. The link is the first end bytes.
   Returns 0 or -1. */
static int follow(char *path, size_t end)
{
    char target[WSGI_WALK_PATH], rest[WSGI_WALK_PATH], before;
    ssize_t length;
    int written;

    snprintf(rest, sizeof rest, "%s", path + end);
    before = path[end];
    path[end] = '\0';
    length = readlink(path, target, sizeof target - 1);
    path[end] = before;
    if (length < 0)
        return -1;
    target[length] = '\0';
    while (end > 0 && path[end - 1] != '/')
        end--;
    if (target[0] == '/')
        end = 0;
    written = snprintf(path + end, WSGI_WALK_PATH - end, "%s%s", target, rest);
    return written >= 0 && (size_t)written < WSGI_WALK_PATH - end ? 0 : -1;
}

/* Tries one step. Returns 0 if it is open, and -1 if it can't be looked at. If
   it is closed, stores the text and returns 1. */
static int look(const char *step, int is_last, char *text, size_t size)
{
    struct stat info;
    int needed;

    if (stat(step, &info) < 0)
        return -1;
    needed = !S_ISDIR(info.st_mode) ? R_OK : is_last ? R_OK | X_OK : X_OK;
    if (access(step, needed) == 0)
        return 0;
    tell(step, &info, needed, is_last, text, size);
    return 1;
}

int wsgi_steps_explain(const char *name, char *text, size_t size)
{
    char path[WSGI_WALK_PATH];
    size_t end = 1;
    int links = 0, answer = 0;

    if (name[0] != '/' || strlen(name) >= sizeof path)
        return 0;
    snprintf(path, sizeof path, "%s", name);
    while (answer == 0) {
        char before;

        end += strspn(path + end, "/");
        end += strcspn(path + end, "/");
        before = path[end];
        path[end] = '\0';
        answer = look(path, before == '\0', text, size);
        path[end] = before;
        if (answer < 0 && errno == EACCES && links++ < MOST_LINKS &&
            follow(path, end) == 0)
            answer = 0, end = 1;
        else if (before == '\0')
            break;
    }
    return answer > 0;
}
