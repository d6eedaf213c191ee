/*
 * memory.h - the memory in which the server's processes count what they serve.
 *
 * The parent makes it. It stays over restarts of the server, though servers
 * unload this module then: a descriptor stays open, and its number is in the
 * environment (WSGI_MEMORY_VARIABLE).
 */
#ifndef WSGI_MEMORY_H
#define WSGI_MEMORY_H

#include <stdint.h>

#define WSGI_MEMORY_VARIABLE "MOD_WSGI_MEMORY"

/* Called in each configuration pass, in the server's parent. Without memory
   nothing is counted, as where numbers are not atomic between processes
   (core/atomic.h). configuration tells the server's configuration from
   others. */
void wsgi_memory_configure(uint32_t configuration);

/* Adds a text to what tells a configuration from others. That begins with 0,
   and is neither 0 nor all bits then. Pure. */
uint32_t wsgi_memory_tell_apart(uint32_t before, const char *text);

/* Called when a configuration ends, in the server's parent. */
void wsgi_memory_close(void);

/* Called in each child of the server, when it begins and when it ends. The
   second is safe in a signal handler. */
void wsgi_memory_enter_child(void);
void wsgi_memory_leave_child(void);

/* Whether this child may load applications before it takes requests. Not if it
   can still become another user, as a child does under mpm-itk and mod_ruid2
   for each request: what it loads would have these rights, and mpm-itk forks,
   which a Python that runs does not outlive. */
int wsgi_memory_may_warm(void);

#endif
