/*
 * sibling.c - the server's children, in the memory that they share.
 *
 * Each child has a place there, and only the child itself writes it. One that
 * was killed leaves its place as it was. Another process may have got its
 * number since then.
 */
#include <errno.h>
#include <unistd.h>

#include "request.h"

/* The server's children are in its process group. A system that does not tell
   the group (SELinux) tells at least whether there is such a process. */
int wsgi_sibling_lives(uint32_t pid)
{
    pid_t group = pid != 0 ? getpgid((pid_t)pid) : 0;

    if (group < 0)
        return errno != ESRCH;
    return pid != 0 && group == getpgrp();
}

unsigned wsgi_sibling_count(const wsgi_tally *memory)
{
    uint32_t taken = wsgi_atomic_load(&memory->taken, WSGI_SEQ_CST);

    return taken < WSGI_TALLY_CHILDREN ? taken : WSGI_TALLY_CHILDREN;
}

/* Before the child counts anything there. */
static void note_taken(wsgi_tally *memory, const wsgi_tally_child *mine)
{
    uint32_t number = (uint32_t)(mine - memory->children) + 1;
    uint32_t taken = wsgi_atomic_load(&memory->taken, WSGI_SEQ_CST);

    while (taken < number && !wsgi_atomic_swap(&memory->taken, &taken, number,
                                               WSGI_SEQ_CST, WSGI_SEQ_CST))
        ;
}

static int is_gone(uint32_t pid)
{
    return !wsgi_sibling_lives(pid);
}

int wsgi_sibling_take(uint32_t *place, uint32_t pid,
                      int (*is_gone_there)(uint32_t pid))
{
    uint32_t theirs = wsgi_atomic_load(place, WSGI_RELAXED);

    if (theirs != 0 && (is_gone_there == NULL || !is_gone_there(theirs)))
        return 0;
    return wsgi_atomic_swap(place, &theirs, pid, WSGI_ACQ_REL, WSGI_RELAXED);
}

static wsgi_tally_child *find(wsgi_tally *memory, uint32_t pid,
                              int (*is_gone_there)(uint32_t pid))
{
    unsigned i;

    for (i = 0; i < WSGI_TALLY_CHILDREN; i++)
        if (wsgi_sibling_take(&memory->children[i].pid, pid, is_gone_there))
            return &memory->children[i];
    return NULL;
}

/* A child that died may have had the number that this one has got. */
static void forget_namesakes(wsgi_tally *memory, uint32_t pid)
{
    unsigned i, count = wsgi_sibling_count(memory);

    for (i = 0; i < count; i++)
        if (memory->children[i].pid == pid)
            memory->children[i].pid = 0;
}

wsgi_tally_child *wsgi_sibling_enter(wsgi_tally *memory)
{
    uint32_t pid = (uint32_t)getpid();
    wsgi_tally_child *mine;

    forget_namesakes(memory, pid);
    mine = find(memory, pid, NULL);
    if (mine == NULL)
        mine = find(memory, pid, is_gone);
    if (mine == NULL)
        return NULL;
    note_taken(memory, mine);
    mine->requests = 0;
    mine->loading = 0;
    memset(mine->busy, 0, sizeof mine->busy);
    memset(mine->waiting, 0, sizeof mine->waiting);
    memset(mine->places, 0, sizeof mine->places);
    return mine;
}

uint32_t wsgi_sibling_sum(const wsgi_tally *memory, size_t where)
{
    uint32_t sum = 0;
    unsigned i, number = wsgi_sibling_count(memory);

    for (i = 0; i < number; i++) {
        const wsgi_tally_child *child = &memory->children[i];
        uint32_t pid = wsgi_atomic_load(&child->pid, WSGI_SEQ_CST);
        const uint16_t *count =
            (const uint16_t *)(const void *)((const char *)child + where);
        uint16_t theirs = pid != 0 ? wsgi_atomic_load(count, WSGI_SEQ_CST) : 0;

        if (theirs > 0 && wsgi_sibling_lives(pid))
            sum += theirs;
    }
    return sum;
}
