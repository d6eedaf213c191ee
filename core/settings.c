/*
 * settings.c - the variables mod_wsgi.* of a request, read and checked.
 *
 * One walk over the environment finds them all, and finds misspelt ones. Per-
 * directory rewriting renames variables, so REDIRECT_mod_wsgi.x stands in for
 * a missing mod_wsgi.x. An empty value means the default. Those named
 * mod_wsgi.environ.NAME are not read here (osenviron.c does, seldom): their
 * sum tells whether they are what they were.
 */
#include <ctype.h>
#include <strings.h>

#include "core.h"

#define PREFIX "mod_wsgi."
#define REDIRECT "REDIRECT_"
#define ENVIRON "environ."

enum {
    APPLICATION,
    INTERPRETER,
    DIRECTORY,
    VIRTUALENV,
    SCRIPT_NAME,
    RELOAD,
    GIL,
    INTERPRETERS,
    AUTHORIZATION,
    COUNT
};

static const char *const names[COUNT] = {
    "application", "interpreter",  "directory",
    "virtualenv",  "script_name",  "reload",
    "gil",         "interpreters", "authorization",
};

/* An interpreter's name has at most this many bytes. */
#define NAME_SIZE 255
#define MOST_INTERPRETERS 64

/* The digits of such a number, for a message. */
#define DIGITS_OF(number) #number
#define DIGITS(name) DIGITS_OF(name)

typedef struct found {
    const char *own[COUNT];
    const char *redirected[COUNT];
    const char *unknown, *unknown_value;
    const char *misnamed; /* no NAME in os.environ is like that */
    int has_environ;
    unsigned long long environ_sum;
} found;

/* Whether two letters are the same in any case. Letters only. */
static inline int is_same_letter(char a, char b)
{
    return (a | 0x20) == (b | 0x20);
}

/* Tables ignore case. The first letter saves most calls. */
static inline int is_prefix(const char *prefix, size_t size, const char *text)
{
    return is_same_letter(prefix[0], text[0]) &&
           strncasecmp(prefix, text, size) == 0;
}

/* Whether a variable may be a setting: mod_wsgi.x, or one that a redirect has
   renamed. Asked for every variable of every request, so it calls nothing.
   REQUEST_ and REMOTE_ begin like REDIRECT_. */
static inline int may_be_setting(const char *name)
{
    return is_same_letter(name[0], PREFIX[0]) ||
           (is_same_letter(name[0], REDIRECT[0]) &&
            is_same_letter(name[1], REDIRECT[1]) &&
            is_same_letter(name[2], REDIRECT[2]));
}

const char *wsgi_settings_environ_name(const char *name, int *renamed)
{
    const char *plain = wsgi_plain_name(name);

    *renamed = (int)((size_t)(plain - name) / (sizeof REDIRECT - 1));
    return is_prefix(PREFIX ENVIRON, sizeof PREFIX ENVIRON - 1, plain)
               ? plain + sizeof PREFIX ENVIRON - 1
               : NULL;
}

static unsigned long long add_hash(unsigned long long hash, const char *text)
{
    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211ULL; /* FNV-1a */
    return hash * 1099511628211ULL;
}

/* Whether a text can be a name in os.environ: it is not empty, and has neither
   '=' nor control characters. */
static int is_environ_name(const char *text)
{
    const char *c = text;

    while (*c != '\0' && *c != '=' && !iscntrl((unsigned char)*c))
        c++;
    return *c == '\0' && c > text;
}

/* Takes note of a variable for os.environ. The order does not matter. */
static void note_environ(found *all, const char *name, const char *value,
                         int is_renamed)
{
    unsigned long long start = is_renamed ? 1469598103934665603ULL
                                          : 14695981039346656037ULL;

    if (!is_environ_name(name))
        all->misnamed = name;
    all->has_environ = 1;
    all->environ_sum += add_hash(add_hash(start, name), value);
}

static void put(void *arg, const char *name, const char *value)
{
    found *all = arg;
    const char **values = all->own;
    const char *own;
    int i;

    if (!may_be_setting(name))
        return;
    if (is_prefix(REDIRECT, sizeof REDIRECT - 1, name)) {
        name += sizeof REDIRECT - 1;
        values = all->redirected;
        all->has_environ |= wsgi_settings_environ_name(name, &i) != NULL;
    }
    if (!is_prefix(PREFIX, sizeof PREFIX - 1, name))
        return;
    own = name + sizeof PREFIX - 1;
    if (is_prefix(ENVIRON, sizeof ENVIRON - 1, own)) {
        note_environ(all, own + sizeof ENVIRON - 1, value,
                     values == all->redirected);
        return;
    }
    for (i = 0; i < COUNT; i++)
        if (is_same_letter(names[i][0], own[0]) &&
            strcasecmp(names[i], own) == 0) {
            values[i] = value;
            return;
        }
    all->unknown = name;
    all->unknown_value = value;
}

static const char *value_of(const found *all, int i)
{
    const char *value = all->own[i];

    if (value == NULL || value[0] == '\0')
        value = all->redirected[i];
    return value != NULL && value[0] != '\0' ? value : NULL;
}

static int refuse(const wsgi_request *request, int i, const char *value,
                  const char *why)
{
    wsgi_log(request, WSGI_ERROR, PREFIX "%s '%s' %s", names[i], value, why);
    return -1;
}

/* Whether text has only what a dotted name of Python can have. Letters
   outside of ASCII are left for the import to judge. */
static int is_dotted_name(const char *text, size_t size)
{
    size_t i;
    int starts = 1;

    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];

        if (starts ? !(isalpha(c) || c == '_' || c >= 0x80)
                   : !(isalnum(c) || c == '_' || c == '.' || c >= 0x80))
            return 0;
        starts = c == '.';
    }
    return !starts;
}

static int check_application(const wsgi_request *request, const char *value)
{
    const char *colons;
    char why[1024] = "is not of the form module::callable: ";
    size_t size = strlen(why);

    if (value == NULL)
        return 0;
    colons = strstr(value, "::");
    if (is_dotted_name(value,
                       colons ? (size_t)(colons - value) : strlen(value)) &&
        (colons == NULL || is_dotted_name(colons + 2, strlen(colons + 2))))
        return 0;
    if (!wsgi_spelling_mend(value, why + size, sizeof why - size))
        snprintf(why + size, sizeof why - size,
                 "write, for example, "
                 "SetEnv mod_wsgi.application mysite.wsgi::application");
    return refuse(request, APPLICATION, value, why);
}

static int check_interpreter(const wsgi_request *request, const char *value)
{
    const char *c;

    if (value == NULL)
        return 0;
    if (strlen(value) > NAME_SIZE)
        return refuse(
            request, INTERPRETER, value,
            "is longer than " DIGITS(NAME_SIZE) " bytes: give a shorter name");
    for (c = value; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            return refuse(request, INTERPRETER, value,
                          "has a control character: give a plain name");
    return 0;
}

/* Checks that each of the paths, with ':' between, is absolute. */
static int check_paths(const wsgi_request *request, int i, const char *value)
{
    const char *path = value;

    while (path != NULL) {
        if (*path != '/')
            return refuse(request, i, value,
                          "is not an absolute path: write it from / on");
        path = i == DIRECTORY ? strchr(path, ':') : NULL;
        if (path != NULL)
            path++;
    }
    return 0;
}

static int check_script_name(const wsgi_request *request, const char *value)
{
    if (value == NULL || value[0] == '/')
        return 0;
    return refuse(request, SCRIPT_NAME, value,
                  "does not begin with '/': write the path of the URL that "
                  "leads to the application, or / for all");
}

/* Chooses between two words; the first is the default. */
static int read_choice(const wsgi_request *request, int i, const char *value,
                       const char *first, const char *second, int *chosen)
{
    char why[64];

    *chosen = 0;
    if (value == NULL || strcasecmp(value, first) == 0)
        return 0;
    *chosen = 1;
    if (strcasecmp(value, second) == 0)
        return 0;
    snprintf(why, sizeof why, "is neither '%s' nor '%s'", first, second);
    return refuse(request, i, value, why);
}

static int read_number(const wsgi_request *request, int i, const char *value,
                       long *number)
{
    char *end;

    *number = 1;
    if (value == NULL)
        return 0;
    *number = strtol(value, &end, 10);
    if (isdigit((unsigned char)value[0]) && *end == '\0' && *number >= 1 &&
        *number <= MOST_INTERPRETERS)
        return 0;
    return refuse(request, i, value,
                  "is not a number from 1 to " DIGITS(MOST_INTERPRETERS));
}

static int check_text(const wsgi_request *request, const wsgi_settings *s)
{
    if (check_application(request, s->application) < 0 ||
        check_interpreter(request, s->interpreter) < 0 ||
        check_paths(request, DIRECTORY, s->directory) < 0 ||
        check_paths(request, VIRTUALENV, s->virtualenv) < 0 ||
        check_script_name(request, s->script_name) < 0)
        return -1;
    return 0;
}

int wsgi_settings_want_main(const wsgi_settings *s)
{
    return s->interpreter != NULL &&
           strcmp(s->interpreter, WSGI_MAIN_INTERPRETER) == 0;
}

/* What is set and can't be had is said once in a process. */
static int is_first(int *told)
{
    return !__atomic_exchange_n(told, 1, __ATOMIC_RELAXED);
}

/* An interpreter with a lock of its own needs Python 3.12, can't be the first
   one, and is made by us. */
static int check_gil(const wsgi_request *request, wsgi_settings *s)
{
    static int told;

    if (!s->own_gil)
        return 0;
    if (WSGI_HAS_OWN_GIL && wsgi_settings_want_main(s))
        return refuse(request, GIL, "own",
                      "can't be had in main_interpreter: choose another "
                      "mod_wsgi.interpreter");
    if (WSGI_HAS_OWN_GIL && !wsgi_runtime_is_shared())
        return 0;
    if (is_first(&told))
        wsgi_log(request, WSGI_WARNING,
                 "mod_wsgi.gil 'own' %s: the lock is shared",
                 WSGI_HAS_OWN_GIL
                     ? "can't be had in an interpreter of mod_python's"
                     : "needs Python 3.12 or newer, and this is " PY_VERSION);
    s->own_gil = 0;
    return 0;
}

/* There is only one main interpreter, and one of a name in mod_python. */
static int check_pool(const wsgi_request *request, wsgi_settings *s)
{
    static int told;

    if (s->interpreters == 1)
        return 0;
    if (wsgi_settings_want_main(s)) {
        wsgi_log(
            request, WSGI_ERROR,
            "mod_wsgi.interpreters '%ld' can't be had of main_interpreter, "
            "there is only one: choose another mod_wsgi.interpreter",
            s->interpreters);
        return -1;
    }
    if (!wsgi_runtime_is_shared())
        return 0;
    if (is_first(&told))
        wsgi_log(request, WSGI_WARNING,
                 "mod_wsgi.interpreters '%ld' can't be had beside mod_python, "
                 "which has one interpreter of a name: that one serves",
                 s->interpreters);
    s->interpreters = 1;
    return 0;
}

/* The os.environ of mod_python's interpreters is not ours to change. */
static void check_environ(const wsgi_request *request, wsgi_settings *s)
{
    static int told;

    if (s->environ_sum == 0 || !wsgi_runtime_is_shared())
        return;
    if (is_first(&told))
        wsgi_log(request, WSGI_WARNING,
                 PREFIX ENVIRON "NAME has no effect beside mod_python: its "
                                "interpreters stay as they are");
    s->environ_sum = 0;
}

static int check_source(const wsgi_request *request, const wsgi_settings *s)
{
    if (s->application != NULL || request->is_file)
        return 0;
    if (request->location == NULL && request->directory == NULL) {
        wsgi_log(request, WSGI_INFO, "there is no file for %s", request->uri);
        return 404; /* AddHandler: any other file would be missed like that */
    }
    wsgi_log(request, WSGI_ERROR,
             "no application is set for %s: beside SetHandler mod_wsgi write "
             "\"SetEnv mod_wsgi.application module::callable\", "
             "\"SetEnv mod_wsgi.interpreter name\" and "
             "\"SetEnv mod_wsgi.directory /directory/containing/module\"",
             request->uri);
    return 500;
}

/* Logs the name that is none, with those that there are. Returns a status. */
static int refuse_unknown(const wsgi_request *request, const found *all)
{
    char known[512];
    size_t i, size = 0;

    for (i = 0; i < COUNT; i++)
        size += (size_t)snprintf(known + size, sizeof known - size,
                                 "%s" PREFIX "%s", i == 0 ? "" : ", ",
                                 names[i]);
    wsgi_log(
        request, WSGI_ERROR,
        "%s '%s' is not a variable of this module: the names are %s, " PREFIX
            ENVIRON "NAME",
        all->unknown, all->unknown_value, known);
    return 500;
}

/* Neither the value nor what stands behind '=' is logged: it may be a secret.
 */
static int refuse_environ_name(const wsgi_request *request, const char *name)
{
    wsgi_log(request, WSGI_ERROR,
             PREFIX ENVIRON
             "%.*s can't be a variable of os.environ: its name "
             "must not be empty nor have '=' or control characters; write "
             "SetEnv " PREFIX ENVIRON "NAME value",
             (int)strcspn(name, "="), name);
    return 500;
}

int wsgi_settings_read(const wsgi_request *request, wsgi_settings *s)
{
    found all = {.unknown = NULL};

    wsgi_runtime_process.host->each_env(request->record, put, &all);
    if (all.unknown != NULL)
        return refuse_unknown(request, &all);
    if (all.misnamed != NULL)
        return refuse_environ_name(request, all.misnamed);
    s->has_environ = all.has_environ;
    s->environ_sum = all.environ_sum;
    s->application = value_of(&all, APPLICATION);
    s->interpreter = value_of(&all, INTERPRETER);
    s->directory = value_of(&all, DIRECTORY);
    s->virtualenv = value_of(&all, VIRTUALENV);
    s->script_name = value_of(&all, SCRIPT_NAME);
    if (check_text(request, s) < 0 ||
        read_choice(request, RELOAD, value_of(&all, RELOAD), "off", "on",
                    &s->reload) < 0 ||
        read_choice(request, GIL, value_of(&all, GIL), "shared", "own",
                    &s->own_gil) < 0 ||
        read_choice(request, AUTHORIZATION, value_of(&all, AUTHORIZATION),
                    "off", "on", &s->authorization) < 0 ||
        read_number(request, INTERPRETERS, value_of(&all, INTERPRETERS),
                    &s->interpreters) < 0 ||
        check_gil(request, s) < 0 || check_pool(request, s) < 0)
        return 500;
    check_environ(request, s);
    return check_source(request, s);
}
