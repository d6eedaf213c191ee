/*
 * virtualenv.c - checks a virtual environment: its kind, its owner, and its
 * Python's version.
 *
 * There are two kinds. Most have a pyvenv.cfg and no standard library. Those
 * of virtualenv before version 20, and all for Python 2, have a library of
 * links with their own site.py. A directory that has a library but is of
 * neither kind is a complete Python, which this module can't use.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "surroundings.h"

#define CONFIG "pyvenv.cfg"
#define LIBRARY "lib/" WSGI_PYTHON_NAME
#define MOST_LINES 1000 /* read of a pyvenv.cfg */

/* What an environment's files say about it. */
typedef struct origin {
    char home[1024];  /* the directory of the Python that made it */
    char version[64]; /* of that Python; "" if not said */
} origin;

/* ---- Looking at an environment: no Python ----------------------------- */

/* Whether root has a file or directory of this name. */
static int has(const char *root, const char *name)
{
    char path[WSGI_WALK_PATH + 64];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return access(path, F_OK) == 0;
}

/* virtualenv before version 20 puts this file into the library. */
static int is_old_style(const char *root)
{
    return has(root, LIBRARY "/orig-prefix.txt");
}

int wsgi_virtualenv_is_one(const char *root)
{
    return has(root, CONFIG) || is_old_style(root);
}

const char *wsgi_virtualenv_of_process(void)
{
    const char *home = wsgi_settings_of_process()->python_home;

    return home != NULL && !wsgi_process_is_shared() &&
                   wsgi_virtualenv_is_one(home)
               ? home
               : NULL;
}

/* Removes spaces at both ends, in place. */
static char *trim(char *text)
{
    char *end = text + strlen(text);

    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    while (isspace((unsigned char)*text))
        text++;
    return text;
}

/* Reads one line of pyvenv.cfg. virtualenv writes version_info, venv writes
   version. */
static void read_line(char *line, origin *from)
{
    char *equals = strchr(line, '='), *key, *value;

    if (equals == NULL)
        return;
    *equals = '\0';
    key = trim(line);
    value = trim(equals + 1);
    if (strcasecmp(key, "home") == 0)
        snprintf(from->home, sizeof from->home, "%s", value);
    else if (strcasecmp(key, "version") == 0 ||
             strcasecmp(key, "version_info") == 0)
        snprintf(from->version, sizeof from->version, "%s", value);
}

/* Opens an environment's file, or returns NULL. Only regular files are opened:
   a customer's pipe could block this thread, which others may wait for. */
static FILE *open_text(const char *path)
{
    int fd = wsgi_fd_open(path, O_RDONLY | O_NONBLOCK);
    struct stat info;
    FILE *file = NULL;

    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
        file = fdopen(fd, "r");
    if (fd >= 0 && file == NULL)
        close(fd);
    return file;
}

static void read_origin(const wsgi_virtualenv *env, origin *from)
{
    char line[WSGI_WALK_PATH + 64];
    int old_style = is_old_style(env->root), left = MOST_LINES;
    FILE *file;

    snprintf(line, sizeof line, "%s/%s", env->root,
             old_style ? LIBRARY "/orig-prefix.txt" : CONFIG);
    file = open_text(line);
    while (file != NULL && left-- > 0 &&
           fgets(line, sizeof line, file) != NULL)
        if (old_style)
            snprintf(from->home, sizeof from->home, "%s", trim(line));
        else
            read_line(line, from);
    if (file != NULL)
        fclose(file);
}

/* Whether a text that begins with "X.Y" is this Python's version. True if it
   does not begin with a number. */
static int is_our_version(const char *version)
{
    char *end;
    long major = strtol(version, &end, 10);
    long minor = *end == '.' ? strtol(end + 1, NULL, 10) : -1;

    return end == version ||
           (major == PY_MAJOR_VERSION && minor == PY_MINOR_VERSION);
}

/* ---- What is refused -------------------------------------------------- */

/* Stores the name of some pythonX.Y in the environment's lib, for a message.
 */
static void find_other_version(const char *root, char *name, size_t size)
{
    char lib[WSGI_WALK_PATH + 64];
    struct dirent *item;
    DIR *dir;

    snprintf(lib, sizeof lib, "%s/lib", root);
    dir = opendir(lib);
    while (dir != NULL && (item = readdir(dir)) != NULL)
        if (strncmp(item->d_name, "python", 6) == 0)
            snprintf(name, size, "%s", item->d_name);
    if (dir != NULL)
        closedir(dir);
}

static int refuse_version(const wsgi_request *request,
                          const wsgi_virtualenv *env, const char *other)
{
    wsgi_log(request, WSGI_ERROR,
             "MW0113: %s '%s' was made for %s, and this server runs %s: make "
             "it again with \"%s -m venv --clear %s\"",
             env->what, env->root, other, WSGI_PYTHON_NAME, WSGI_PYTHON_NAME,
             env->root);
    return 500;
}

static int refuse_other(const wsgi_request *request,
                        const wsgi_virtualenv *env, const char *why)
{
    wsgi_log(request, WSGI_ERROR, "MW0114: %s '%s' %s", env->what, env->root,
             why);
    return 500;
}

/* Logs why the environment's packages can't be seen. */
static int refuse_unseen(const wsgi_request *request,
                         const wsgi_virtualenv *env)
{
    char path[WSGI_WALK_PATH + 64], closed[WSGI_STEPS_SIZE];
    char why[WSGI_STEPS_SIZE + 32];

    snprintf(path, sizeof path, "%s/" LIBRARY "/site-packages", env->root);
    if (!wsgi_steps_explain(path, closed, sizeof closed))
        return refuse_other(
            request, env,
            "is not a virtual environment that this server's user can see "
            "(it has no " LIBRARY "/site-packages): correct the path, or its "
            "permissions");
    snprintf(why, sizeof why, "can't be used: %s", closed);
    return refuse_other(request, env, why);
}

/* Checks by its files that this is an environment of this Python. Returns 0,
   or an HTTP status after logging. */
static int check_kind(const wsgi_request *request, const wsgi_virtualenv *env,
                      const origin *from)
{
    char other[256] = "";

    if (!is_our_version(from->version)) {
        snprintf(other, sizeof other, "Python %s", from->version);
        return refuse_version(request, env, other);
    }
    if (!has(env->root, LIBRARY "/site-packages"))
        find_other_version(env->root, other, sizeof other);
    if (other[0] != '\0' && strcmp(other, WSGI_PYTHON_NAME) != 0)
        return refuse_version(request, env, other);
    if (!has(env->root, LIBRARY "/site-packages"))
        return refuse_unseen(request, env);
    if (wsgi_virtualenv_is_one(env->root))
        return 0;
    if (env->has_own_library)
        return refuse_other(
            request, env,
            "is not a virtual environment but a Python of its own (conda's "
            "are): make one from it with \"bin/python -m venv\", and build "
            "this module for that Python");
    return refuse_other(request, env,
                        "is not a virtual environment (it has no " CONFIG
                        "): make one with \"" WSGI_PYTHON_NAME " -m venv\"");
}

/* Checks that each part of a customer's environment is the customer's own,
   even if it is a link. Returns 0, or an HTTP status after logging. */
static int check_parts(const wsgi_request *request, const wsgi_settings *s,
                       const wsgi_virtualenv *env)
{
    static const char *const parts[] = {
        CONFIG, "bin", "lib", LIBRARY, LIBRARY "/site-packages",
    };
    char path[WSGI_WALK_PATH + 64];
    int status = 0;
    size_t i;

    for (i = 0; i < sizeof parts / sizeof parts[0] && status == 0; i++) {
        int fd;

        snprintf(path, sizeof path, "%s/%s", env->root, parts[i]);
        fd = wsgi_fd_open(path, O_RDONLY | O_NONBLOCK);
        if (fd < 0)
            continue; /* what can't be opened is not used */
        status = wsgi_owner_check(request, s, fd, env->what, path);
        close(fd);
    }
    return status;
}

/* ---- What is said ----------------------------------------------------- */

/* Whether home or home/bin has the given command. */
static int holds(const char *home, const struct stat *command)
{
    static const char *const names[] = {
        "/" WSGI_PYTHON_NAME,     "/python3",     "/python",
        "/bin/" WSGI_PYTHON_NAME, "/bin/python3", "/bin/python",
    };
    char path[WSGI_WALK_PATH];
    struct stat found;
    size_t i;

    for (i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s%s", home, names[i]);
        if (stat(path, &found) == 0 && found.st_ino == command->st_ino &&
            found.st_dev == command->st_dev)
            return 1;
    }
    return 0;
}

/* Warns if the environment's command is not the Python that runs here, which
   an application notices when it starts a program with sys.executable. */
static void warn_of_command(const wsgi_request *request,
                            const wsgi_virtualenv *env, const origin *from)
{
    const char *home = wsgi_settings_of_process()->python_home;
    char ours[WSGI_WALK_PATH];
    struct stat command;

    if (home != NULL && wsgi_virtualenv_of_process() == NULL)
        snprintf(ours, sizeof ours, "%s/bin/%s", home, WSGI_PYTHON_NAME);
    else
        snprintf(ours, sizeof ours, "%s", WSGI_PYTHON_EXECUTABLE);
    if (!has(env->root, "bin/python"))
        wsgi_log(request, WSGI_WARNING,
                 "MW0115: %s '%s' has no bin/python, which is sys.executable: "
                 "the application can't start Python with it",
                 env->what, env->root);
    else if (from->home[0] != '\0' && stat(ours, &command) == 0 &&
             !holds(from->home, &command))
        wsgi_log(request, WSGI_WARNING,
                 "MW0116: %s '%s' was made with the Python in '%s', and this "
                 "server runs '%s': what the application starts with "
                 "sys.executable runs in that one",
                 env->what, env->root, from->home, ours);
}

/* Removes "//", "." and ".." from an absolute path, as os.path.abspath. */
static void normalise(char *path)
{
    char *from = path, *to = path;

    while (*from != '\0') {
        size_t size = strcspn(from + 1, "/");

        if (size == 2 && strncmp(from, "/..", 3) == 0) {
            while (to > path && *--to != '/')
                ;
        } else if (size > 0 && !(size == 1 && from[1] == '.')) {
            memmove(to, from, size + 1);
            to += size + 1;
        }
        from += size + 1;
    }
    *to = '\0';
}

int wsgi_virtualenv_find(const wsgi_request *request,
                         const wsgi_settings *settings, wsgi_virtualenv *env)
{
    wsgi_settings s = *settings;
    origin from = {.home = ""};
    int status = 0;

    memset(env, 0, sizeof *env);
    env->what = "mod_wsgi.virtualenv";
    if (s.virtualenv == NULL) {
        env->what = WSGI_PYTHON_HOME;
        s.virtualenv = wsgi_virtualenv_of_process();
        s.owner = -1; /* the administrator has chosen it */
    }
    if (s.virtualenv == NULL)
        return 0;
    status = wsgi_directory_check(request, &s, env->what, s.virtualenv,
                                  env->root, sizeof env->root);
    normalise(env->root);
    if (status == 0 && s.owner >= 0)
        status = check_parts(request, &s, env);
    env->is_customers = s.owner >= 0;
    env->has_own_library = has(env->root, LIBRARY "/os.py");
    if (status == 0) {
        read_origin(env, &from);
        status = check_kind(request, env, &from);
    }
    if (status == 0)
        warn_of_command(request, env, &from);
    return status;
}
