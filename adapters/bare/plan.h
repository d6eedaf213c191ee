/*
 * plan.h - what the command line of the bare host asks for.
 */
#ifndef WSGI_BARE_PLAN_H
#define WSGI_BARE_PLAN_H

#include "host.h"

#define MOST_VARIABLES 256

/* One of the CGI environment. */
typedef struct variable {
    const char *name, *value;
} variable;

/* What every request is made of, and what happens to it. Nothing changes once
   the threads run. */
typedef struct bare_plan {
    variable variables[MOST_VARIABLES];
    size_t variable_count, standard_count; /* the first ones are the host's */
    char *body;                            /* never freed */
    size_t body_size;
    int64_t body_length;  /* what wsgi_request says of the body */
    size_t read_at_most;  /* the bytes that one read gives; 0: no limit */
    long fail_read_after; /* read_body fails after so many bytes; -1: never */
    enum wsgi_read read_failure; /* ... with this */
    long gone_after; /* bytes of the response that the client takes; -1: all */
    int busy_for;    /* how often is_ready says no before it says yes */
    int read_time;   /* microseconds that read_body takes */
    int send_time;   /* microseconds that send_body takes */
    int requests, threads;
    int counts;      /* the host's calls are counted */
    int decides;     /* wsgi_decide and wsgi_run, not wsgi_handle */
    int ask_socket;  /* this is a server, and asks there; -1: it is not */
    int has_owner;   /* the process is an application's own */
    long long owner; /* ... of this customer; -1: of none */
    const char *htaccess[8]; /* directories, then NULL */
    wsgi_request request;
} bare_plan;

extern bare_plan wsgi_bare_plan;

/* Reads the command line into wsgi_bare_plan, which borrows its texts. Exits
   with status 2 where the command line is wrong. */
void wsgi_bare_read_options(int argc, char **argv);

/* Prints a problem on standard error, and exits with status 2. */
void wsgi_bare_give_up(const char *problem, const char *what);

#endif
