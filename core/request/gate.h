/*
 * gate.h - counts the users of a thing that another thread may end.
 *
 * A gate is open until it is closed for good. When a gate is closed and nobody
 * is inside any more, exactly one caller is told so: that caller ends the
 * thing. Any thread may call these functions, and needs no lock. A gate of
 * zeros is open and empty.
 */
#ifndef WSGI_GATE_H
#define WSGI_GATE_H

#include "../atomic.h"

typedef struct wsgi_gate {
    long uses; /* atomic: how many are inside, and the two flags below */
} wsgi_gate;

#define WSGI_GATE_CLOSED (1L << 24)
#define WSGI_GATE_LEFT (1L << 25) /* the last one has been told */

/* Whether all uses are over. Says so to one caller only. */
static inline int wsgi_gate_is_last(wsgi_gate *gate, long uses)
{
    long expected = WSGI_GATE_CLOSED;

    return uses == WSGI_GATE_CLOSED &&
           wsgi_atomic_swap(&gate->uses, &expected,
                            WSGI_GATE_CLOSED | WSGI_GATE_LEFT, WSGI_ACQ_REL,
                            WSGI_RELAXED);
}

/* Counts a use. Returns whether the gate is open. Even if not, the caller must
   call wsgi_gate_leave. */
static inline int wsgi_gate_enter(wsgi_gate *gate)
{
    return !(wsgi_atomic_add(&gate->uses, 1, WSGI_ACQ_REL) & WSGI_GATE_CLOSED);
}

/* Returns whether the caller was the last inside a closed gate. */
static inline int wsgi_gate_leave(wsgi_gate *gate)
{
    return wsgi_gate_is_last(gate,
                             wsgi_atomic_sub(&gate->uses, 1, WSGI_ACQ_REL));
}

/* Closes the gate for good. Returns whether nobody is inside. */
static inline int wsgi_gate_close(wsgi_gate *gate)
{
    return wsgi_gate_is_last(
        gate, wsgi_atomic_or(&gate->uses, WSGI_GATE_CLOSED, WSGI_ACQ_REL));
}

static inline int wsgi_gate_is_closed(const wsgi_gate *gate)
{
    return (wsgi_atomic_load(&gate->uses, WSGI_ACQUIRE) & WSGI_GATE_CLOSED) !=
           0;
}

/* How many are inside. */
static inline long wsgi_gate_count(const wsgi_gate *gate)
{
    return wsgi_atomic_load(&gate->uses, WSGI_SEQ_CST) &
           (WSGI_GATE_CLOSED - 1);
}

#endif
