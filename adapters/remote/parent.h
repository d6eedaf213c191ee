/*
 * parent.h - the server's parent process and the spawner that it starts.
 *
 * The parent makes the ask socket (../wire/ask.h), a pair, before its children
 * begin, and starts the spawner in the second configuration pass. Both ends
 * stay open in the parent. So a spawner that has died is replaced, and the
 * children notice nothing. Servers unload this module when they restart. So
 * what has to be kept is in the environment: WSGI_PARENT_VARIABLE.
 *
 * Functions are called by the parent's only thread, or by that of a child that
 * has just begun, unless they say otherwise.
 */
#ifndef WSGI_PARENT_H
#define WSGI_PARENT_H

#include <stdint.h>

#define WSGI_PARENT_VARIABLE "MOD_WSGI_SPAWNER"

/* What a server tells of itself. */
typedef struct wsgi_parent {
    long long user, group; /* of the server's children */
    int log;               /* the descriptor of the main error log; -1: none */
    uint32_t configuration; /* tells the server's configuration from others */
} wsgi_parent;

/* Called in each configuration pass, in the server's parent. The first pass
   makes the ask socket. The second starts the spawner. Later ones tell it that
   the server has restarted, or start another if it has gone. Does nothing
   where the spawner's program is not installed. Returns the spawner's process
   number for wsgi_parent_respawn, or 0 if there is none. */
long wsgi_parent_configure(const wsgi_parent *parent);

/* Starts another spawner: the one before it has died. Returns its process
   number. Returns 0 if that is not possible, or has failed too often.
   wsgi_parent_problem says why then, and requests are refused until the server
   restarts. */
long wsgi_parent_respawn(const wsgi_parent *parent);

/* Called in each child of the server, and in the only process of a server that
   has no children (-X). Closes what is the parent's. */
void wsgi_parent_enter_child(void);

/* For a host that has neither passes nor children, and got the end of an ask
   socket from whoever started it. */
void wsgi_parent_take(int asks);

/* The end of the ask socket on which a child asks, or -1. Any thread. */
int wsgi_parent_ask_socket(void);

/* The user of the server's children; -1: not known, or as this process is
   since nobody is root. Any thread. */
long long wsgi_parent_user(void);

/* Whether this process's root directory is the parent's. Any thread. */
int wsgi_parent_has_same_root(void);

/* Why there is no ask socket, and how to mend that. Any thread. */
const char *wsgi_parent_problem(void);

/* ---- descriptor.c ----------------------------------------------------- */

/* Descriptors below may get another meaning in a program. */
#define WSGI_SAFE_FD 10

/* What is kept from pass to pass is a descriptor and its inode, which says
   whether it still is the same. Returns the inode, or 0 if there is no such
   descriptor. */
unsigned long wsgi_descriptor_number_of(int fd);

/* Moves a descriptor to where programs expect none. Returns the new one, which
   is closed on exec, or -1. */
int wsgi_descriptor_lift(int fd);

#endif
