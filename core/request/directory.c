/*
 * directory.c - checks a directory that a setting names.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "request.h"

static int is_directory(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* Stores the path of an open directory without links. So the directory that
   was checked is the one that is used, even if the name is changed to lead
   elsewhere. path has the name before. Returns an HTTP status. */
static int resolve(const wsgi_request *request, const char *what, int fd,
                   char *path, size_t size)
{
    if (wsgi_path_of(fd, path, size) == 0)
        return 0;
    wsgi_log(
        request, WSGI_ERROR,
        "MW0127: %s '%s' can't be used: the system does not tell its path "
        "without links: mount /proc, where the system has one",
        what, path);
    return 500;
}

/* Logs why a directory can't be used. Returns an HTTP status. */
static int refuse(const wsgi_request *request, const char *what,
                  const char *name)
{
    char why[WSGI_STEPS_SIZE];

    if (wsgi_steps_explain(name, why, sizeof why))
        wsgi_log(request, WSGI_ERROR, "MW0109: %s '%s' can't be used: %s",
                 what, name, why);
    else if (access(name, F_OK) != 0)
        wsgi_log(request, WSGI_ERROR,
                 "MW0110: %s '%s' does not exist: correct the path", what,
                 name);
    else if (!is_directory(name))
        wsgi_log(request, WSGI_ERROR,
                 "MW0111: %s '%s' is a file: name a directory here", what,
                 name);
    else
        wsgi_log(request, WSGI_ERROR,
                 "MW0112: %s '%s' is not a directory that this server's user "
                 "can read: correct its permissions",
                 what, name);
    return 500;
}

int wsgi_directory_check(const wsgi_request *request,
                         const wsgi_settings *settings, const char *what,
                         const char *name, char *path, size_t size)
{
    int fd = wsgi_fd_open(name, O_RDONLY | O_DIRECTORY);
    int status = 0;

    snprintf(path, size, "%s", name);
    if (fd < 0 && settings->owner < 0 && access(name, X_OK) == 0 &&
        is_directory(name))
        return 0; /* it can be entered, which is enough where no owner is
                     checked */
    if (fd < 0)
        return refuse(request, what, name);
    status = wsgi_owner_check(request, settings, fd, what, name);
    if (status == 0 && settings->owner >= 0)
        status = resolve(request, what, fd, path, size);
    close(fd);
    return status;
}
