/*
 * walk.c - follows the way to a directory, and finds out whose it is.
 *
 * Whoever owns a directory or a link on the way to an .htaccess file can
 * replace it, even after the server has read the file. So the name alone
 * proves nothing. The way is followed step by step, on open descriptors, and
 * every step must belong to one user or to root.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reach.h"
#include "request.h"

#define MOST_LINKS 40 /* as the kernel has it */

typedef struct place {
    wsgi_walk *walk;
    int fd;                    /* the directory that has been reached */
    struct stat info;          /* of fd */
    int links;                 /* followed so far */
    char *next;                /* in rest */
    char at[WSGI_WALK_PATH];   /* path of fd without links; "" is the root */
    char rest[WSGI_WALK_PATH]; /* the steps that are left */
} place;

static int refuse(wsgi_walk *walk, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(wsgi_walk *walk, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(walk->problem, sizeof walk->problem, format, args);
    va_end(args);
    return -1;
}

static int refuse_with_errno(wsgi_walk *walk, const char *path, int number)
{
    return refuse(walk, "'%s' can't be looked at: %s", path,
                  number == ESTALE ? "it was replaced meanwhile"
                                   : strerror(number));
}

/* ---- What is on the way ----------------------------------------------- */

static int check_owner(wsgi_walk *walk, const struct stat *info,
                       const char *path)
{
    if (info->st_uid == 0 || (long long)info->st_uid == walk->owner)
        return 0;
    if (walk->owner != 0)
        return refuse(
            walk,
            "'%s' belongs to the user %lld and '%s' to the user %lld: "
            "all directories and links that lead to the request's "
            ".htaccess files must be one user's, or root's",
            walk->owned, walk->owner, path, (long long)info->st_uid);
    walk->owner = (long long)info->st_uid;
    snprintf(walk->owned, sizeof walk->owned, "%s", path);
    return 0;
}

static int refuse_open(wsgi_walk *walk, const char *path)
{
    return refuse(walk,
                  "'%s' can be written to by everybody: forbid that with "
                  "\"chmod o-w\"",
                  path);
}

/* In a sticky directory such as /tmp, only owners can replace what is theirs.
   So everybody may write to one. */
static int check_directory(wsgi_walk *walk, const struct stat *info,
                           const char *path)
{
    if ((info->st_mode & S_IWOTH) && !(info->st_mode & S_ISVTX))
        return refuse_open(walk, path);
    return check_owner(walk, info, path);
}

/* But anybody can move another user's link into a sticky directory. */
static int check_link(const place *p, const struct stat *info,
                      const char *path)
{
    if (p->info.st_mode & S_IWOTH)
        return refuse(p->walk,
                      "'%s' is a link in a directory that everybody can "
                      "write to",
                      path);
    return check_owner(p->walk, info, path);
}

/* ---- Steps ------------------------------------------------------------ */

/* Goes on to an open directory. Takes over fd. */
static int enter(place *p, int fd, const char *path)
{
    if (fd < 0)
        return refuse_with_errno(p->walk, path, errno);
    if (p->fd >= 0)
        close(p->fd);
    p->fd = fd;
    if (fstat(fd, &p->info) < 0)
        return refuse_with_errno(p->walk, path, errno);
    if (!S_ISDIR(p->info.st_mode))
        return refuse_with_errno(p->walk, path, ENOTDIR);
    snprintf(p->at, sizeof p->at, "%s", path);
    return check_directory(p->walk, &p->info, path[0] != '\0' ? path : "/");
}

static int enter_root(place *p)
{
    return enter(p, wsgi_fd_open("/", WSGI_REACH_DIRECTORY), "");
}

static int enter_step(place *p, wsgi_reach *reach, const char *path)
{
    int fd;

    if (!S_ISDIR(reach->info.st_mode))
        return refuse_with_errno(p->walk, path, ENOTDIR);
    fd = wsgi_reach_open(reach);
    if (fd < 0 && errno == EACCES && WSGI_REACH_READS)
        return refuse(p->walk,
                      "'%s' can't be looked at: this system is too old to "
                      "look at a directory that the server's user may only "
                      "pass through: allow that user to read it, too",
                      path);
    return enter(p, fd, path);
}

/* Puts the target of a link before the steps that are left. */
static int follow(place *p, const wsgi_reach *reach, const char *path)
{
    char goal[WSGI_WALK_PATH], rest[WSGI_WALK_PATH];
    ssize_t size = wsgi_reach_read(reach, goal, sizeof goal - 1);
    int all;

    if (size < 0)
        return refuse_with_errno(p->walk, path, errno);
    if (++p->links > MOST_LINKS)
        return refuse_with_errno(p->walk, path, ELOOP);
    goal[size] = '\0';
    all = snprintf(rest, sizeof rest, "%s/%s", goal,
                   p->next != NULL ? p->next : "");
    if (all < 0 || (size_t)all >= sizeof rest)
        return refuse_with_errno(p->walk, path, ENAMETOOLONG);
    memcpy(p->rest, rest, (size_t)all + 1);
    p->next = p->rest;
    return goal[0] == '/' ? enter_root(p) : 0;
}

/* Stores the path that a name has in the directory that was reached. */
static int join(const place *p, const char *name, char *path, size_t size)
{
    int all;

    if (strcmp(name, "..") == 0) {
        const char *slash = strrchr(p->at, '/');

        all = snprintf(path, size, "%.*s",
                       slash != NULL ? (int)(slash - p->at) : 0, p->at);
    } else {
        all = snprintf(path, size, "%s/%s", p->at, name);
    }
    return all >= 0 && (size_t)all < size
               ? 0
               : refuse_with_errno(p->walk, p->at, ENAMETOOLONG);
}

static int step(place *p, const char *name)
{
    char path[WSGI_WALK_PATH];
    wsgi_reach reach;
    int result;

    if (join(p, name, path, sizeof path) < 0)
        return -1;
    if (wsgi_reach_look(&reach, p->fd, name) < 0) {
        result = refuse_with_errno(p->walk, path, errno);
    } else if (S_ISLNK(reach.info.st_mode)) {
        result = check_link(p, &reach.info, path);
        if (result == 0)
            result = follow(p, &reach, path);
    } else {
        result = enter_step(p, &reach, path);
    }
    wsgi_reach_end(&reach);
    return result;
}

int wsgi_walk_to(wsgi_walk *walk, const char *path)
{
    place p = {.walk = walk, .fd = -1};
    const char *name;
    int result;

    if (path[0] != '/' || strlen(path) >= sizeof p.rest)
        return refuse(walk, "its path is relative or too long");
    memcpy(p.rest, path, strlen(path) + 1);
    p.next = p.rest;
    result = enter_root(&p);
    while (result == 0 && (name = strtok_r(NULL, "/", &p.next)) != NULL)
        if (strcmp(name, ".") != 0)
            result = step(&p, name);
    if (result == 0 && (p.info.st_mode & S_IWOTH))
        result = refuse_open(walk, p.at[0] != '\0' ? p.at : "/");
    if (p.fd >= 0)
        close(p.fd);
    return result;
}
