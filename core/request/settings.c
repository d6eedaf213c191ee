/*
 * settings.c - the variables that configure the module, read and checked.
 *
 * The table has all that the module knows about a variable: log lines and
 * docs/configuration.md are made from it. One walk over the variables
 * that are set for a request finds them, and misspelt ones. Per-directory
 * rewriting renames variables, so REDIRECT_mod_wsgi.x stands in for a missing
 * mod_wsgi.x. An empty value means the default. The variables
 * mod_wsgi.environ.NAME are not read here but in osenviron.c, and seldom: a
 * hash of them all tells whether any has changed.
 */
#include <ctype.h>
#include <strings.h>

#include "request.h"

#define PREFIX "mod_wsgi."
#define REDIRECT "REDIRECT_"
#define ENVIRON "environ."

#define OFF "off"
#define SECONDS                                                               \
    "`" OFF "`, a number of seconds from 1 to " DIGITS(MOST_SECONDS)

/* The longest name of an interpreter, a process or a user, in bytes. */
#define NAME_SIZE 255

/* The most of a bound. Messages have the digits. */
#define MOST_SECONDS 86400
#define MOST_MB 1048576
#define MOST_REQUESTS 65535

/* The digits of such a number, for messages. */
#define DIGITS_OF(number) #number
#define DIGITS(name) DIGITS_OF(name)

typedef struct setting setting;

/* Checks a value that is not empty, and stores it at to. Returns 0. On failure
   logs what is wrong and returns -1. */
typedef int reader(const wsgi_request *request, const setting *is,
                   const char *value, void *to);

/* What the module knows about a variable. */
struct setting {
    wsgi_variable shown;
    reader *read;
    size_t place; /* where it is stored: PLACE() */
    long most;    /* of read_bound */
    int forgives; /* a wrong value is only warned about, and the default is
                     used */
};

/* The offset of a field. Does not compile without a warning (an error in ./dev
   check) unless the field has the type that read() stores. */
#define PLACE(record, type, field)                                            \
    (offsetof(record, field) +                                                \
     0 * sizeof(&((record *)NULL)->field == (type *)NULL))
#define TEXT(field) PLACE(wsgi_settings, const char *, field)
#define CHOICE(field) PLACE(wsgi_settings, int, field)
#define NUMBER(field) PLACE(wsgi_settings, long, field)

static reader read_application, read_path, read_paths, read_script_name,
    read_text, read_name, read_process, read_user, read_version, read_choice,
    read_number, read_reload, read_bound;

#define EVERYBODY "everybody"
#define EVERYBODY_OWN "everybody; customers name their own only"
#define NOT_CUSTOMERS "everybody but customers"
#define PROCESS "the server's environment"

/* The variables of a request. */
static const setting settings[] = {
    {
        .shown = {.name = PREFIX "application",
                  .values = "`module::callable`",
                  .otherwise = "the file that the URL leads to",
                  .setter = EVERYBODY,
                  .text = "the application. `module` alone means "
                          "`module::application`. The callable may be "
                          "dotted: `site::app.wsgi_app`"},
        .read = read_application,
        .place = TEXT(application),
    },
    {
        .shown = {.name = PREFIX "interpreter",
                  .values = "a name, up to " DIGITS(NAME_SIZE) " bytes",
                  .otherwise = "`SERVER_NAME:PORT\\|directory`",
                  .setter = EVERYBODY "; `" WSGI_MAIN_INTERPRETER
                                      "` not customers without a process",
                  .text = "the interpreter that the application runs in"},
        .read = read_name,
        .place = TEXT(interpreter),
    },
    {
        .shown = {.name = PREFIX "directory",
                  .values = "absolute directories, `:` between them",
                  .otherwise = "none",
                  .setter = EVERYBODY_OWN,
                  .text = "put first on `sys.path` of that interpreter, once"},
        .read = read_paths,
        .place = TEXT(directory),
    },
    {
        .shown = {.name = PREFIX "virtualenv",
                  .values = "an absolute directory",
                  .otherwise = "that of `" WSGI_PYTHON_HOME "`, or none",
                  .setter = EVERYBODY_OWN,
                  .text = "a virtual environment of the Python that serves: "
                          "in a process that of `" PREFIX "python`, else the "
                          "one that the module was built with"},
        .read = read_path,
        .place = TEXT(virtualenv),
    },
    {
        .shown = {.name = PREFIX "script_name",
                  .values = "a path of a URL",
                  .otherwise = "see *Mounting*",
                  .setter = EVERYBODY,
                  .text = "SCRIPT_NAME, where the section can't say it"},
        .read = read_script_name,
        .place = TEXT(script_name),
    },
    {
        .shown = {.name = PREFIX "authorization",
                  .words = {"off", "on"},
                  .standard = "off",
                  .setter = EVERYBODY,
                  .text = "`on`: the application gets the client's "
                          "Authorization header, as `HTTP_AUTHORIZATION`"},
        .read = read_choice,
        .place = CHOICE(authorization),
    },
    {
        .shown = {.name = PREFIX "reload",
                  .values = "`" OFF "`, `on`, an absolute path of a file",
                  .standard = OFF,
                  .setter = EVERYBODY,
                  .text = "`on`: a changed application is loaded in a fresh "
                          "interpreter, which takes the old one's place; a "
                          "file: so it is when that file is touched"},
        .read = read_reload,
        .place = TEXT(reload),
    },
    {
        .shown = {.name = PREFIX "gil",
                  .words = {"shared", "own"},
                  .standard = "shared",
                  .setter = EVERYBODY,
                  .text = "`own`: the interpreter has a lock of its own, and "
                          "runs beside the others (Python 3.12 and later)"},
        .read = read_choice,
        .place = CHOICE(own_gil),
    },
    {
        .shown = {.name = PREFIX "interpreters",
                  .most = 64,
                  .standard = "1",
                  .setter = EVERYBODY,
                  .text = "so many interpreters serve the application side by "
                          "side, each request in the least busy one"},
        .read = read_number,
        .place = NUMBER(interpreters),
    },
    {
        .shown = {.name = PREFIX "buffer_body",
                  .words = {"off", "on"},
                  .standard = "off",
                  .setter = EVERYBODY,
                  .text = "`on`: the request's body is read before the "
                          "application is called, and has a CONTENT_LENGTH"},
        .read = read_choice,
        .place = CHOICE(buffer_body),
    },
    {
        .shown = {.name = PREFIX "path_translated",
                  .words = {"off", "on"},
                  .standard = "off",
                  .setter = EVERYBODY,
                  .text = "`on`: the application gets CGI's PATH_TRANSLATED"},
        .read = read_choice,
        .place = CHOICE(path_translated),
    },
    {
        .shown = {.name = PREFIX "error_pages",
                  .words = {"off", "on"},
                  .standard = "off",
                  .setter = EVERYBODY,
                  .text = "`on`: the server's error page takes the place of "
                          "the body of an application's response with a "
                          "status of 400 to 599"},
        .read = read_choice,
        .place = CHOICE(error_pages),
    },
    {
        .shown = {.name = PREFIX "slow",
                  .values = SECONDS,
                  .standard = OFF,
                  .setter = EVERYBODY,
                  .text =
                      "the log tells where a request is that takes longer"},
        .read = read_bound,
        .place = NUMBER(slow),
        .most = MOST_SECONDS,
    },
    {
        .shown = {.name = PREFIX "timeout",
                  .values = SECONDS,
                  .otherwise = "in a process the server's `Timeout`, else "
                               "`" OFF "`",
                  .setter = EVERYBODY,
                  .text = "an application that sends nothing for so long, and "
                          "reads nothing, is given up: the client gets 504"},
        .read = read_bound,
        .place = NUMBER(timeout),
        .most = MOST_SECONDS,
    },
    {
        .shown = {.name = PREFIX "concurrency",
                  .values = "`" OFF
                            "`, a number of requests from 1 to " DIGITS(
                                MOST_REQUESTS),
                  .standard = OFF,
                  .setter = EVERYBODY,
                  .text = "the application has at most so many requests at "
                          "the same time in the whole server; others get 503"},
        .read = read_bound,
        .place = NUMBER(concurrency),
        .most = MOST_REQUESTS,
    },
    {
        .shown = {.name = PREFIX "process",
                  .values = "a name, up to " DIGITS(
                      NAME_SIZE) " bytes; "
                                 "`" WSGI_PROCESS_AUTO "`; `" OFF "`",
                  .otherwise = "`" OFF "`; for customers "
                               "`" WSGI_PROCESS_AUTO "`",
                  .setter = EVERYBODY "; `" OFF "` not customers",
                  .text = "the application has processes of its own, which "
                          "applications of the same name and user share; "
                          "`" WSGI_PROCESS_AUTO "`: named like the "
                          "interpreter; `" OFF "`: it is in the server's "
                          "processes"},
        .read = read_process,
        .place = TEXT(process),
    },
    {
        .shown = {.name = PREFIX "user",
                  .values = "the name of a user",
                  .otherwise = "the server's user; for customers the owner",
                  .setter = NOT_CUSTOMERS,
                  .text = "the user that the application's processes run as"},
        .read = read_user,
        .place = TEXT(user),
    },
    {
        .shown = {.name = PREFIX "python",
                  .values = "a version, such as `3.13`",
                  .otherwise = "that of the module; if it has none, the "
                               "newest that is installed",
                  .setter = EVERYBODY,
                  .text = "the Python of the application's processes"},
        .read = read_version,
        .place = TEXT(python),
    },
    {
        .shown = {.name = PREFIX "processes",
                  .most = 64,
                  .standard = "4",
                  .setter = EVERYBODY,
                  .text = "the most processes that the application has"},
        .read = read_number,
        .place = NUMBER(processes),
    },
    {
        .shown = {.name = PREFIX "threads",
                  .most = 64,
                  .standard = "5",
                  .setter = EVERYBODY,
                  .text = "so many requests are served in each of these "
                          "processes at the same time"},
        .read = read_number,
        .place = NUMBER(threads),
    },
    {
        .shown = {.name = PREFIX "idle",
                  .values = SECONDS,
                  .standard = "300",
                  .setter = EVERYBODY,
                  .text = "a process that no request has used for so long "
                          "ends"},
        .read = read_bound,
        .place = NUMBER(idle),
        .most = MOST_SECONDS,
    },
    {
        .shown = {.name = PREFIX "memory",
                  .values = "`" OFF
                            "`, a number of MB from 1 to " DIGITS(MOST_MB),
                  .standard = OFF,
                  .setter = EVERYBODY,
                  .text = "a process that has more is replaced, and can't "
                          "have more than twice as much"},
        .read = read_bound,
        .place = NUMBER(memory),
        .most = MOST_MB,
    },
    {
        /* Read by osenviron.c. Only a hash is stored here. */
        .shown = {.name = PREFIX ENVIRON "NAME",
                  .values = "any",
                  .otherwise = "the server's own NAME, if it has one",
                  .setter = EVERYBODY,
                  .text =
                      "NAME in the interpreter's `os.environ`, from before "
                      "the application is imported"},
    },
};

/* The variables of a process, from the server's environment. */
static const setting process_settings[] = {
    {
        .shown = {.name = WSGI_PYTHON_HOME,
                  .values = "a prefix of a Python, or a virtual environment",
                  .otherwise = "that of the Python that the module was built "
                               "with",
                  .setter = PROCESS,
                  .text = "the Python of the server, of the version that the "
                          "module was built with"},
        .read = read_text,
        .place = PLACE(wsgi_process_settings, const char *, python_home),
    },
    {
        .shown = {.name = WSGI_MAX_INTERPRETERS,
                  .most = 10000,
                  .standard = "64",
                  .setter = PROCESS,
                  .text = "the most interpreters in one process"},
        .read = read_number,
        .place = PLACE(wsgi_process_settings, long, max_interpreters),
        .forgives = 1,
    },
    {
        .shown = {.name = WSGI_TMPDIR,
                  .values = "an absolute directory",
                  .standard = "/tmp",
                  .setter = PROCESS,
                  .text = "where bodies that are too large for the memory are "
                          "kept, see `" PREFIX "buffer_body`"},
        .read = read_path,
        .place = PLACE(wsgi_process_settings, const char *, temporary),
        .forgives = 1,
    },
    {
        .shown = {.name = WSGI_USERS,
                  .values = "numbers of users, ranges, names, `,` between "
                            "them; `none`",
                  .standard = "1000-",
                  .setter = PROCESS,
                  .text = "who may have processes of applications; `none`: "
                          "customers' applications are in the server's "
                          "processes"},
        .read = read_text,
        .place = PLACE(wsgi_process_settings, const char *, users),
    },
    {
        .shown = {.name = WSGI_LIMITS,
                  .values = "words such as `total=100 memory=256`; `" OFF
                            "` as a number is no limit",
                  .otherwise =
                      "`total=256 processes=8 concurrency=64 threads=10 "
                      "memory=512 timeout=300 idle=300 nproc=256 "
                      "nofile=1024 nice=0`",
                  .setter = PROCESS,
                  .text = "what processes of applications may use, and above "
                          "all those of customers"},
        .read = read_text,
        .place = PLACE(wsgi_process_settings, const char *, limits),
    },
};

enum {
    COUNT = sizeof settings / sizeof *settings,
    PROCESS_COUNT = sizeof process_settings / sizeof *process_settings
};

/* The settings of a request that sets none. */
static wsgi_settings standards;

/* What the server's environment said at the start, as text and as settings. */
static const char *process_values[PROCESS_COUNT];
static const char *process_misspelt[PROCESS_COUNT];
static wsgi_process_settings for_process;

/* Does not compile where there are more settings than bits for them. */
typedef char settings_have_bits[COUNT <= 32 ? 1 : -1];

/* What the walk has found. are_set has a bit for each setting. */
typedef struct found {
    unsigned long are_set;
    const char *own[COUNT];
    const char *redirected[COUNT];
    const char *unknown, *unknown_value;
    const char *misnamed; /* a NAME that os.environ can't have */
    int has_environ;
    unsigned long long environ_sum;
} found;

/* Ignores case. Comparing the first letter saves most calls. */
static inline int is_prefix(const char *prefix, size_t size, const char *text)
{
    return wsgi_is_same_letter(prefix[0], text[0]) &&
           strncasecmp(prefix, text, size) == 0;
}

const char *wsgi_settings_environ_name(const char *name, int *renamed)
{
    const char *plain = wsgi_plain_name(name);

    *renamed = (int)((size_t)(plain - name) / (sizeof REDIRECT - 1));
    return is_prefix(PREFIX ENVIRON, sizeof PREFIX ENVIRON - 1, plain)
               ? plain + sizeof PREFIX ENVIRON - 1
               : NULL;
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

/* Adds a variable for os.environ to the hash. The order does not matter. */
static void note_environ(found *all, const char *name, const char *value,
                         int is_renamed)
{
    unsigned long long start = is_renamed ? 1469598103934665603ULL
                                          : WSGI_HASH_START;

    if (!is_environ_name(name))
        all->misnamed = name;
    all->has_environ = 1;
    all->environ_sum +=
        wsgi_hash_add_text(wsgi_hash_add_text(start, name), value);
}

static void put(void *arg, const char *name, const char *value)
{
    found *all = arg;
    const char **values = all->own;
    const char *own;
    int i;

    if (!wsgi_may_be_setting(name))
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
    for (i = 0; i < COUNT; i++) {
        const char *known = settings[i].shown.name + sizeof PREFIX - 1;

        if (wsgi_is_same_letter(known[0], own[0]) &&
            strcasecmp(known, own) == 0) {
            values[i] = value;
            all->are_set |= 1UL << i;
            return;
        }
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

static int refuse(const wsgi_request *request, const setting *is,
                  const char *value, const char *why)
{
    if (is->forgives)
        wsgi_log(request, WSGI_WARNING, "MW0101: %s '%s' %s: %s is used",
                 is->shown.name, value, why, is->shown.standard);
    else
        wsgi_log(request, WSGI_ERROR, "MW0102: %s '%s' %s", is->shown.name,
                 value, why);
    return -1;
}

static int read_text(const wsgi_request *request, const setting *is,
                     const char *value, void *to)
{
    (void)request;
    (void)is;
    *(const char **)to = value;
    return 0;
}

static int refuse_application(const wsgi_request *request, const setting *is,
                              const char *value)
{
    char why[1024] = "is not of the form module::callable: ";
    size_t size = strlen(why);

    if (!wsgi_spelling_mend(value, why + size, sizeof why - size))
        snprintf(why + size, sizeof why - size,
                 "write, for example, "
                 "SetEnv mod_wsgi.application mysite.wsgi::application");
    return refuse(request, is, value, why);
}

static int is_application(const char *value)
{
    const char *colons = strstr(value, "::");
    size_t size = colons != NULL ? (size_t)(colons - value) : strlen(value);

    return wsgi_spelling_is_dotted(value, size) &&
           (colons == NULL ||
            wsgi_spelling_is_dotted(colons + 2, strlen(colons + 2)));
}

/* Remembers the value that this thread has checked last. Most requests of a
   thread are for the same application. */
static int read_application(const wsgi_request *request, const setting *is,
                            const char *value, void *to)
{
    static __thread char checked[128];
    size_t size;

    if (strcmp(value, checked) != 0) {
        if (!is_application(value))
            return refuse_application(request, is, value);
        size = strlen(value) + 1;
        if (size <= sizeof checked)
            memcpy(checked, value, size);
    }
    return read_text(request, is, value, to);
}

static int read_name(const wsgi_request *request, const setting *is,
                     const char *value, void *to)
{
    const char *c;

    if (strlen(value) > NAME_SIZE)
        return refuse(
            request, is, value,
            "is longer than " DIGITS(NAME_SIZE) " bytes: give a shorter name");
    for (c = value; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            return refuse(request, is, value,
                          "has a control character: give a plain name");
    return read_text(request, is, value, to);
}

/* owner.c tells off from no value. */
static int read_process(const wsgi_request *request, const setting *is,
                        const char *value, void *to)
{
    if (strcasecmp(value, OFF) == 0)
        value = WSGI_PROCESS_OFF;
    else if (strcasecmp(value, WSGI_PROCESS_AUTO) == 0)
        value = WSGI_PROCESS_AUTO;
    return read_name(request, is, value, to);
}

static int read_user(const wsgi_request *request, const setting *is,
                     const char *value, void *to)
{
    if (value[0] == '#' || isdigit((unsigned char)value[0]))
        return refuse(request, is, value,
                      "is not a user's name: write the name, not the number");
    return read_name(request, is, value, to);
}

/* 3.13, or 3.13t for a free-threaded Python. */
static int read_version(const wsgi_request *request, const setting *is,
                        const char *value, void *to)
{
    static const char digits[] = "0123456789";
    size_t major = strspn(value, digits), minor = 0, end;

    if (value[major] == '.')
        minor = strspn(value + major + 1, digits);
    end = major + 1 + minor;
    if (major == 1 && minor >= 1 && minor <= 2 &&
        strcmp(value + end, value[end] == 't' ? "t" : "") == 0)
        return read_text(request, is, value, to);
    return refuse(request, is, value,
                  "is not a version of Python: write, for example, 3.13");
}

static int read_path(const wsgi_request *request, const setting *is,
                     const char *value, void *to)
{
    if (*value == '/')
        return read_text(request, is, value, to);
    return refuse(request, is, value,
                  "is not an absolute path: begin it with /");
}

/* Absolute paths, separated by ':'. */
static int read_paths(const wsgi_request *request, const setting *is,
                      const char *value, void *to)
{
    const char *colon = strstr(value, ":");

    while (colon != NULL && colon[1] == '/')
        colon = strstr(colon + 1, ":");
    if (colon == NULL)
        return read_path(request, is, value, to);
    return refuse(request, is, value,
                  "is not an absolute path: begin it with /");
}

static int read_script_name(const wsgi_request *request, const setting *is,
                            const char *value, void *to)
{
    if (*value == '/')
        return read_text(request, is, value, to);
    return refuse(request, is, value,
                  "does not begin with '/': write the path of the URL that "
                  "leads to the application, or / for all");
}

/* Chooses between two words. */
static int read_choice(const wsgi_request *request, const setting *is,
                       const char *value, void *to)
{
    char why[64];

    for (*(int *)to = 0; *(int *)to < 2; ++*(int *)to)
        if (strcasecmp(value, is->shown.words[*(int *)to]) == 0)
            return 0;
    snprintf(why, sizeof why, "is neither '%s' nor '%s'", is->shown.words[0],
             is->shown.words[1]);
    return refuse(request, is, value, why);
}

/* off, on, or the file that is touched to reload. */
static int read_reload(const wsgi_request *request, const setting *is,
                       const char *value, void *to)
{
    if (strcasecmp(value, OFF) == 0)
        return read_text(request, is, NULL, to);
    if (strcasecmp(value, "on") == 0)
        return read_text(request, is, WSGI_RELOAD_SOURCES, to);
    if (*value == '/')
        return read_text(request, is, value, to);
    return refuse(request, is, value,
                  "is neither 'off' nor 'on', and not an absolute path: "
                  "begin a file's path with /");
}

static int read_number(const wsgi_request *request, const setting *is,
                       const char *value, void *to)
{
    char why[64], *end;
    long number = strtol(value, &end, 10);

    if (isdigit((unsigned char)value[0]) && *end == '\0' && number >= 1 &&
        number <= is->shown.most) {
        *(long *)to = number;
        return 0;
    }
    snprintf(why, sizeof why, "is not a number from 1 to %ld", is->shown.most);
    return refuse(request, is, value, why);
}

/* A number, or off, which is stored as WSGI_NO_BOUND. */
static int read_bound(const wsgi_request *request, const setting *is,
                      const char *value, void *to)
{
    char why[64], *end;
    long number = strtol(value, &end, 10);

    if (strcasecmp(value, OFF) == 0)
        number = WSGI_NO_BOUND;
    else if (!isdigit((unsigned char)value[0]) || *end != '\0' || number < 1 ||
             number > is->most) {
        snprintf(why, sizeof why,
                 "is neither 'off' nor a number from 1 to %ld", is->most);
        return refuse(request, is, value, why);
    }
    *(long *)to = number;
    return 0;
}

int wsgi_settings_want_main(const wsgi_settings *s)
{
    return s->interpreter != NULL &&
           strcmp(s->interpreter, WSGI_MAIN_INTERPRETER) == 0;
}

static size_t trimmed(const char *path)
{
    size_t size = strlen(path);

    while (size > 0 && path[size - 1] == '/')
        size--;
    return size;
}

/* Whether the URL leads to the section itself that set our handler: a
   <Location>, or exactly the directory of a section. Otherwise the URL names a
   missing file, which is the client's mistake. */
static int is_of_section(const wsgi_request *request)
{
    const char *directory = request->directory;
    size_t size;

    if (request->location != NULL)
        return 1;
    if (directory == NULL || request->filename == NULL)
        return 0;
    size = trimmed(directory);
    return trimmed(request->filename) == size &&
           memcmp(request->filename, directory, size) == 0;
}

static int check_source(const wsgi_request *request, const wsgi_settings *s)
{
    if (s->application != NULL || request->is_file)
        return 0;
    if (!is_of_section(request)) {
        wsgi_log(request, WSGI_INFO,
                 "MW0103: there is no file for %s, and mod_wsgi.application "
                 "is not set",
                 request->uri);
        return 404;
    }
    wsgi_log(request, WSGI_ERROR,
             "MW0104: no application is set for %s: beside SetHandler "
             "mod_wsgi write \"SetEnv mod_wsgi.application "
             "module::callable\", \"SetEnv mod_wsgi.interpreter name\" and "
             "\"SetEnv mod_wsgi.directory /directory/containing/module\"",
             request->uri);
    return 500;
}

/* Logs an unknown name, with all known ones. Returns an HTTP status. */
static int refuse_unknown(const wsgi_request *request, const found *all)
{
    wsgi_buffer known = {.data = NULL};
    size_t i;
    int is_short = 0; /* of memory */

    for (i = 0; i < COUNT; i++) {
        const char *name = settings[i].shown.name;

        is_short |= wsgi_buffer_add(&known, ", ", i == 0 ? 0 : 2) < 0 ||
                    wsgi_buffer_add(&known, name, strlen(name)) < 0;
    }
    is_short |= wsgi_buffer_add(&known, "", 1) < 0;
    wsgi_log(
        request, WSGI_ERROR,
        "MW0105: %s '%s' is not a variable of this module: the names are %s",
        all->unknown, all->unknown_value,
        is_short ? "in docs/configuration.md" : known.data);
    free(known.data);
    return 500;
}

/* Neither the value nor what follows '=' is logged, for it may be a secret. */
static int refuse_environ_name(const wsgi_request *request, const char *name)
{
    wsgi_log(request, WSGI_ERROR,
             "MW0106: " PREFIX ENVIRON
             "%.*s can't be a variable of os.environ: its name "
             "must not be empty or contain '=' or control characters; write "
             "SetEnv " PREFIX ENVIRON "NAME value",
             (int)strcspn(name, "="), name);
    return 500;
}

static int read_all(const wsgi_request *request, const found *all,
                    wsgi_settings *s)
{
    unsigned long left;

    for (left = all->are_set; left != 0; left &= left - 1) {
        int i = __builtin_ctzl(left);
        const setting *is = &settings[i];
        const char *value = value_of(all, i);

        if (value != NULL &&
            is->read(request, is, value, (char *)s + is->place) < 0)
            return -1;
    }
    return 0;
}

int wsgi_settings_read(const wsgi_request *request, wsgi_settings *s)
{
    found all = {.unknown = NULL};

    wsgi_recall_each(request, put, &all);
    if (all.unknown != NULL)
        return refuse_unknown(request, &all);
    if (all.misnamed != NULL)
        return refuse_environ_name(request, all.misnamed);
    *s = standards;
    s->has_environ = all.has_environ;
    s->environ_sum = all.environ_sum;
    if (read_all(request, &all, s) < 0)
        return 500;
    return check_source(request, s);
}

/* ---- Of the process ---------------------------------------------------- */

static void read_standard(const setting *is, void *record)
{
    if (is->shown.standard != NULL)
        is->read(NULL, is, is->shown.standard, (char *)record + is->place);
}

void wsgi_settings_prepare(void)
{
    int i;

    for (i = 0; i < COUNT; i++)
        read_standard(&settings[i], &standards);
    for (i = 0; i < PROCESS_COUNT; i++) {
        const char *name = process_settings[i].shown.name;
        const char *value = getenv(name);

        read_standard(&process_settings[i], &for_process);
        process_values[i] = value != NULL && value[0] != '\0' ? strdup(value)
                                                              : NULL;
        if (process_values[i] != NULL && process_settings[i].read == read_text)
            read_text(NULL, &process_settings[i], process_values[i],
                      (char *)&for_process + process_settings[i].place);
        process_misspelt[i] = wsgi_misspelt_find(name);
    }
}

void wsgi_settings_tell_misspelt(const wsgi_request *request)
{
    int i;

    for (i = 0; i < PROCESS_COUNT; i++)
        if (process_misspelt[i] != NULL)
            wsgi_log(request, WSGI_WARNING,
                     "MW0107: %s in the server's environment is not a "
                     "variable of this module: is %s meant?",
                     process_misspelt[i], process_settings[i].shown.name);
}

void wsgi_settings_read_process(const wsgi_request *request)
{
    int i;

    wsgi_settings_tell_misspelt(request);
    for (i = 0; i < PROCESS_COUNT; i++) {
        const setting *is = &process_settings[i];

        if (process_values[i] != NULL)
            is->read(request, is, process_values[i],
                     (char *)&for_process + is->place);
    }
}

const wsgi_process_settings *wsgi_settings_of_process(void)
{
    return &for_process;
}

void wsgi_show_variables(wsgi_show *show, void *arg)
{
    int i;

    for (i = 0; i < COUNT; i++)
        show(arg, &settings[i].shown);
    for (i = 0; i < PROCESS_COUNT; i++)
        show(arg, &process_settings[i].shown);
}
