/*
 * gate.h - counts who uses a thing that others may end.
 *
 * A gate is open until it is closed for good. The last to leave a closed gate
 * is told so, once: then the thing can be ended. Any thread; no lock. All zero
 * is an open gate that nobody is inside.
 */
#ifndef WSGI_GATE_H
#define WSGI_GATE_H

typedef struct wsgi_gate {
    long uses; /* atomic: how many are inside, and these flags */
} wsgi_gate;

#define WSGI_GATE_CLOSED (1L << 24)
#define WSGI_GATE_LEFT (1L << 25) /* the last one has been told */

/* Whether this is the end of all uses, for one caller only. */
static inline int wsgi_gate_is_last(wsgi_gate *gate, long uses)
{
    long expected = WSGI_GATE_CLOSED;

    return uses == WSGI_GATE_CLOSED &&
           __atomic_compare_exchange_n(&gate->uses, &expected,
                                       WSGI_GATE_CLOSED | WSGI_GATE_LEFT, 0,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* Counts a use. Returns whether the gate is open. Whatever the answer, the
   caller has to leave again. */
static inline int wsgi_gate_enter(wsgi_gate *gate)
{
    return !(__atomic_add_fetch(&gate->uses, 1, __ATOMIC_ACQ_REL) &
             WSGI_GATE_CLOSED);
}

/* Returns whether the caller was the last inside a closed gate. */
static inline int wsgi_gate_leave(wsgi_gate *gate)
{
    return wsgi_gate_is_last(
        gate, __atomic_sub_fetch(&gate->uses, 1, __ATOMIC_ACQ_REL));
}

/* Lets nobody in any more. Returns whether nobody is inside. */
static inline int wsgi_gate_close(wsgi_gate *gate)
{
    return wsgi_gate_is_last(
        gate,
        __atomic_or_fetch(&gate->uses, WSGI_GATE_CLOSED, __ATOMIC_ACQ_REL));
}

static inline int wsgi_gate_is_closed(const wsgi_gate *gate)
{
    return (__atomic_load_n(&gate->uses, __ATOMIC_ACQUIRE) &
            WSGI_GATE_CLOSED) != 0;
}

/* How many are inside. */
static inline long wsgi_gate_count(const wsgi_gate *gate)
{
    return __atomic_load_n(&gate->uses, __ATOMIC_SEQ_CST) &
           (WSGI_GATE_CLOSED - 1);
}

#endif
