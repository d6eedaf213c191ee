/*
 * options.c - the command line of the bare host.
 *
 *     bare [options] module::callable [path]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plan.h"

bare_plan wsgi_bare_plan = {
    .fail_read_after = -1,
    .read_failure = WSGI_READ_GONE,
    .gone_after = -1,
    .ask_socket = -1,
    .requests = 1,
    .threads = 1,
};

static bare_plan *const plan = &wsgi_bare_plan;

void wsgi_bare_give_up(const char *problem, const char *what)
{
    fprintf(stderr, "bare: %s: %s\n", problem, what);
    exit(2);
}

static void set_variable(const char *name, const char *value)
{
    size_t i;

    for (i = 0; i < plan->variable_count; i++)
        if (strcmp(plan->variables[i].name, name) == 0)
            break;
    if (i == MOST_VARIABLES)
        wsgi_bare_give_up("too many variables", name);
    plan->variables[i].name = name;
    plan->variables[i].value = value;
    if (i == plan->variable_count)
        plan->variable_count++;
}

/* Takes NAME=VALUE apart. */
static void set_pair(char *pair)
{
    char *equals = strchr(pair, '=');

    if (equals == NULL)
        wsgi_bare_give_up("not of the form NAME=VALUE", pair);
    *equals = '\0';
    set_variable(pair, equals + 1);
}

static void load_body(const char *name)
{
    FILE *file = fopen(name, "rb");
    size_t room = 1 << 16, got;

    if (file == NULL)
        wsgi_bare_give_up("can't read", name);
    plan->body = malloc(room);
    while (plan->body != NULL &&
           (got = fread(plan->body + plan->body_size, 1,
                        room - plan->body_size, file)) > 0) {
        plan->body_size += got;
        if (plan->body_size == room)
            plan->body = realloc(plan->body, room *= 2);
    }
    fclose(file);
    plan->body_length = (int64_t)plan->body_size;
}

static void set_failure(const char *name)
{
    static const struct {
        const char *name;
        enum wsgi_read failure;
    } all[] = {
        {"gone", WSGI_READ_GONE},
        {"timeout", WSGI_READ_TIMEOUT},
        {"large", WSGI_READ_TOO_LARGE},
        {"bad", WSGI_READ_BAD},
    };
    size_t i;

    for (i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i].name, name) == 0) {
            plan->read_failure = all[i].failure;
            return;
        }
    wsgi_bare_give_up("not gone, timeout, large or bad", name);
}

enum option_key {
    DIRECTORY = 1000,
    ENV,
    BODY,
    CHUNKED,
    CHUNK,
    FAIL_READ,
    FAIL_READ_WITH,
    CLOSE_AFTER,
    BUSY_FOR,
    READ_TIME,
    SEND_TIME,
    THREADS,
    REQUESTS,
    COUNT_CALLS,
    DECIDE,
    OWNED_BY,
    ASK_SOCKET,
    EXPECTS,
    METHOD,
    URI,
    LOCATION,
    SECTION,
    FILENAME,
    PATH_INFO,
    IS_FILE,
    HTACCESS,
    MAY_EXECUTE,
    AUTHORIZATION,
    VARIABLES
};

static const struct option options[] = {
    {"directory", 1, NULL, DIRECTORY}, /* mod_wsgi.directory */
    {"env", 1, NULL, ENV},             /* NAME=VALUE, one more variable */
    {"body", 1, NULL, BODY},           /* a file: the body of every request */
    {"chunked", 0, NULL, CHUNKED},     /* the body's length is not announced */
    {"chunk", 1, NULL, CHUNK},         /* bytes that one read gives at most */
    {"fail-read-after", 1, NULL, FAIL_READ},     /* bytes; then reads fail */
    {"fail-read-with", 1, NULL, FAIL_READ_WITH}, /* see set_failure */
    {"close-after", 1, NULL, CLOSE_AFTER}, /* bytes; then the client is gone */
    {"busy-for", 1, NULL, BUSY_FOR},       /* how often is_ready says no */
    {"read-time", 1, NULL, READ_TIME},     /* microseconds for each read */
    {"send-time", 1, NULL, SEND_TIME},     /* microseconds for each send */
    {"threads", 1, NULL, THREADS},         /* threads that serve, 1 to 64 */
    {"requests", 1, NULL, REQUESTS},       /* how many each thread serves */
    {"count-calls", 0, NULL, COUNT_CALLS}, /* of read_body and send_body */
    {"decide", 0, NULL, DECIDE},           /* by wsgi_decide and wsgi_run */
    {"owned-by", 1, NULL, OWNED_BY},       /* see wsgi_process.owner */
    {"ask-socket", 1, NULL, ASK_SOCKET},   /* a descriptor: wsgi_serve */
    {"expects", 0, NULL, EXPECTS},         /* the client, 100 Continue */
    {"method", 1, NULL, METHOD},           /* the request's method */
    {"uri", 1, NULL, URI},                 /* the path of the URL, decoded */
    {"location", 1, NULL, LOCATION}, /* the <Location> that set our handler */
    {"section", 1, NULL, SECTION},   /* the <Directory> that set our handler */
    {"filename", 1, NULL, FILENAME}, /* what the URL maps to */
    {"path-info", 1, NULL, PATH_INFO},     /* the URL behind the file */
    {"is-file", 0, NULL, IS_FILE},         /* --filename is a file */
    {"htaccess", 1, NULL, HTACCESS},       /* a directory with .htaccess */
    {"may-execute", 0, NULL, MAY_EXECUTE}, /* Options ExecCGI holds there */
    {"authorization", 1, NULL, AUTHORIZATION}, /* the header's value */
    {"variables", 0, NULL, VARIABLES}, /* prints the module's variables */
    {NULL, 0, NULL, 0},
};

static void add_htaccess(const char *directory)
{
    size_t i = 0;

    while (plan->htaccess[i] != NULL)
        i++;
    if (i + 1 == sizeof plan->htaccess / sizeof *plan->htaccess)
        wsgi_bare_give_up("too many --htaccess", directory);
    plan->htaccess[i] = directory;
}

static int to_number(const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (*text == '\0' || *end != '\0' || number < 0 || number > 100000000)
        wsgi_bare_give_up("not a number", text);
    return (int)number;
}

/* Takes an option that says what the client and the network do. */
static void take_exchange(int key, char *value)
{
    switch (key) {
    case BODY:
        load_body(value);
        break;
    case CHUNKED:
        plan->body_length = -1;
        break;
    case CHUNK:
        plan->read_at_most = (size_t)to_number(value);
        break;
    case FAIL_READ:
        plan->fail_read_after = to_number(value);
        break;
    case FAIL_READ_WITH:
        set_failure(value);
        break;
    case CLOSE_AFTER:
        plan->gone_after = to_number(value);
        break;
    case BUSY_FOR:
        plan->busy_for = to_number(value);
        break;
    case READ_TIME:
        plan->read_time = to_number(value);
        break;
    case SEND_TIME:
        plan->send_time = to_number(value);
        break;
    case THREADS:
        plan->threads = to_number(value);
        if (plan->threads < 1 || plan->threads > 64)
            wsgi_bare_give_up("threads go from 1 to 64", value);
        break;
    case REQUESTS:
        plan->requests = to_number(value);
        break;
    case COUNT_CALLS:
        plan->counts = 1;
        break;
    case OWNED_BY:
        plan->has_owner = 1;
        plan->owner = strtoll(value, NULL, 10);
        break;
    case ASK_SOCKET:
        plan->ask_socket = (int)strtol(value, NULL, 10);
        break;
    case EXPECTS:
        plan->request.expects = 1;
        break;
    case DECIDE:
        plan->decides = 1;
        break;
    case METHOD:
        set_variable("REQUEST_METHOD", value);
        plan->request.head_only = strcmp(value, "HEAD") == 0;
        break;
    case AUTHORIZATION:
        plan->request.authorization = value;
        break;
    }
}

/* Prints a row of the tables in docs/configuration.md. */
static void show_variable(void *unused, const wsgi_variable *is)
{
    (void)unused;
    printf("| `%s` | ", is->name);
    if (is->words[0] != NULL)
        printf("`%s`, `%s` | ", is->words[0], is->words[1]);
    else if (is->most > 0)
        printf("1 to %ld | ", is->most);
    else
        printf("%s | ", is->values);
    if (is->standard != NULL)
        printf("`%s` | ", is->standard);
    else
        printf("%s | ", is->otherwise);
    printf("%s | %s |\n", is->setter, is->text);
}

/* Takes an option that says where the URL leads. */
static void take_mapping(int key, char *value)
{
    switch (key) {
    case DIRECTORY:
        set_variable("mod_wsgi.directory", value);
        break;
    case ENV:
        set_pair(value);
        break;
    case URI:
        plan->request.uri = value;
        break;
    case LOCATION:
        plan->request.location = value;
        break;
    case SECTION:
        plan->request.directory = value;
        break;
    case FILENAME:
        plan->request.filename = value;
        break;
    case PATH_INFO:
        plan->request.path_info = value;
        break;
    case IS_FILE:
        plan->request.is_file = 1;
        break;
    case HTACCESS:
        plan->request.htaccess = plan->htaccess;
        add_htaccess(value);
        break;
    case MAY_EXECUTE:
        plan->request.may_execute = 1;
        break;
    case VARIABLES:
        wsgi_show_variables(show_variable, NULL);
        exit(0);
    case '?':
        exit(2);
    }
}

static void set_defaults(void)
{
    set_variable("GATEWAY_INTERFACE", "CGI/1.1");
    set_variable("SERVER_SOFTWARE", "bare");
    set_variable("SERVER_PROTOCOL", "HTTP/1.1");
    set_variable("SERVER_NAME", "localhost");
    set_variable("SERVER_PORT", "80");
    set_variable("REMOTE_ADDR", "127.0.0.1");
    set_variable("REQUEST_METHOD", "GET");
    set_variable("QUERY_STRING", "");
    plan->standard_count = plan->variable_count;
    plan->request.uri = "/";
    plan->request.site_name = "localhost";
    plan->request.site_port = 80;
    plan->request.scheme = "http";
}

void wsgi_bare_read_options(int argc, char **argv)
{
    int key;

    set_defaults();
    while ((key = getopt_long(argc, argv, "", options, NULL)) != -1) {
        take_exchange(key, optarg);
        take_mapping(key, optarg);
    }
    if (optind < argc)
        set_variable("mod_wsgi.application", argv[optind++]);
    if (optind < argc)
        plan->request.uri = argv[optind];
}
