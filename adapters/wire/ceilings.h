/*
 * ceilings.h - MOD_WSGI_LIMITS: what applications' processes may use.
 *
 * The spawner keeps to them, whatever it is asked. The server's children know
 * them, too, for what they decide themselves.
 *
 * Plain C. Neither Python, a server's headers, nor the core.
 */
#ifndef WSGI_CEILINGS_H
#define WSGI_CEILINGS_H

#include <stddef.h>
#include <stdint.h>

#include "ask.h"

#define WSGI_CEILINGS "MOD_WSGI_LIMITS"

/* 0: there is no such limit. */
typedef struct wsgi_ceilings {
    uint32_t total;       /* processes of all users together */
    uint32_t processes;   /* of a customer, whatever their names are */
    uint32_t concurrency; /* of a customer: requests at once */
    /* Of a customer's process: */
    uint32_t threads;
    uint32_t memory;  /* MB */
    uint32_t timeout; /* seconds */
    uint32_t idle;    /* seconds */
    uint32_t nproc;   /* threads and processes of the user */
    /* Of each process: */
    uint32_t nice;
    uint32_t nofile; /* open files */
} wsgi_ceilings;

/* Told of each word of the variable that has no effect. word has no end. */
typedef void wsgi_ceilings_wrong(const char *word, size_t size,
                                 const char *why);

/* Fills in ceilings: the defaults, then what the variable says. text may be
   NULL. Any thread. */
void wsgi_ceilings_read(const char *text, wsgi_ceilings *ceilings,
                        wsgi_ceilings_wrong *wrong);

/* The lower of two bounds, of which 0 is none. Pure; any thread. */
uint32_t wsgi_ceilings_lower(uint32_t asked, uint32_t ceiling);

/* Takes what is asked for down to the ceilings of a customer. Pure; any
   thread. */
void wsgi_ceilings_apply(const wsgi_ceilings *ceilings, wsgi_ask *ask);

#endif
