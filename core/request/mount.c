/*
 * mount.c - divides the URL's path into SCRIPT_NAME and PATH_INFO.
 *
 * Pure strings. The two together are the URL's decoded path, except where
 * mod_wsgi.script_name stands for a file. SCRIPT_NAME does not end in '/'.
 * PATH_INFO is empty or begins with '/'. When servers compare paths, a run of
 * slashes counts as one. So it does here, but the result keeps the slashes
 * that the client sent.
 */
#include "request.h"

#define NO_MATCH (-1)

static const char *skip_slashes(const char *text)
{
    while (*text == '/')
        text++;
    return text;
}

/* The size of uri without the slashes at its end. */
static int64_t trim(const char *uri, int64_t size)
{
    while (size > 0 && uri[size - 1] == '/')
        size--;
    return size;
}

/* How many bytes at the front of uri are the path, or NO_MATCH. */
static int64_t front(const char *uri, const char *path)
{
    const char *u = uri;
    int64_t size;

    while (*path != '\0') {
        if (*path == '/' && *u == '/') {
            u = skip_slashes(u);
            path = skip_slashes(path);
        } else if (*path == '/' && *skip_slashes(path) == '\0') {
            break;
        } else if (*path++ != *u++) {
            return NO_MATCH;
        }
    }
    size = trim(uri, u - uri);
    return uri[size] == '/' || uri[size] == '\0' ? size : NO_MATCH;
}

int wsgi_mount_covers(const char *section, const char *uri)
{
    size_t size = strlen(section);

    if (front(uri, section) == NO_MATCH)
        return 0;
    /* <Location /x/> does not cover /x. */
    return size == 0 || section[size - 1] != '/' ||
           uri[front(uri, section)] == '/';
}

/* The first size bytes of uri end in tail: how many bytes come before it, or
   NO_MATCH. */
static int64_t back(const char *uri, int64_t size, const char *tail)
{
    size_t left = strlen(tail);

    while (left > 0) {
        char c = tail[--left];

        if (size == 0 || uri[size - 1] != c)
            return NO_MATCH;
        size--;
        if (c == '/') {
            size = trim(uri, size);
            while (left > 0 && tail[left - 1] == '/')
                left--;
        }
    }
    return size;
}

/* For a section of a directory: what follows the directory is PATH_INFO. */
static int64_t by_directory(const wsgi_request *request)
{
    int64_t size, directory = front(request->filename, request->directory);

    if (directory == NO_MATCH)
        return NO_MATCH;
    size = back(request->uri, (int64_t)strlen(request->uri),
                request->path_info != NULL ? request->path_info : "");
    return size < 0 ? NO_MATCH
                    : back(request->uri, size, request->filename + directory);
}

/* How much of the URL leads to the file that is the application. As for CGI,
   the server says what follows the file. */
static int64_t by_file(const wsgi_request *request)
{
    return back(request->uri, (int64_t)strlen(request->uri),
                request->path_info != NULL ? request->path_info : "");
}

/* For a file that a RewriteRule leads to: the file is not in the URL that the
   client sent. The setting is SCRIPT_NAME, and what follows the file is
   PATH_INFO. */
static void put_in_place_of_file(const wsgi_request *request,
                                 const char *script_name, wsgi_mount *mount)
{
    int64_t size = by_file(request);

    mount->script_name = script_name;
    mount->size = (size_t)trim(script_name, (int64_t)strlen(script_name));
    if (size != NO_MATCH)
        mount->path_info = request->uri + size;
    else
        mount->path_info = request->path_info;
    if (mount->size == 0 && mount->path_info[0] == '\0')
        mount->path_info = "/"; /* PEP 3333: one of the two is not empty */
}

/* How much of the URL is SCRIPT_NAME, according to the section that set our
   handler. */
static int64_t by_section(const wsgi_request *request,
                          const wsgi_settings *settings)
{
    int64_t size = NO_MATCH;

    if (request->location != NULL)
        size = front(request->uri, request->location);
    else if (settings->application != NULL && request->directory != NULL &&
             request->filename != NULL)
        size = by_directory(request);
    else if (request->is_file)
        size = by_file(request);
    return size > 0 ? trim(request->uri, size) : 0;
}

int wsgi_mount_split(const wsgi_request *request,
                     const wsgi_settings *settings, wsgi_mount *mount)
{
    int64_t size;

    if (settings->script_name != NULL && settings->application == NULL) {
        put_in_place_of_file(request, settings->script_name, mount);
        return 0;
    }
    size = settings->script_name != NULL
               ? front(request->uri, settings->script_name)
               : by_section(request, settings);
    if (size == NO_MATCH)
        return -1;
    mount->script_name = request->uri;
    mount->size = (size_t)size;
    mount->path_info = request->uri + size;
    return 0;
}
