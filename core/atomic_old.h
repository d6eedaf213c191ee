/*
 * atomic_old.h - the functions of atomic.h for compilers that lack __atomic.
 *
 * Only atomic.h includes it. All of them stand on one step: WSGI_ATOMIC_TRY
 * puts a value where another one is still, and gives what was there. Reads and
 * writes are at least as strict as their order demands.
 */
#ifndef WSGI_ATOMIC_OLD_H
#define WSGI_ATOMIC_OLD_H

#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#define WSGI_RELAXED 0
#define WSGI_ACQUIRE 2
#define WSGI_RELEASE 3
#define WSGI_ACQ_REL 4
#define WSGI_SEQ_CST 5

#define WSGI_ATOMIC_PLAIN(place) (*(volatile __typeof__(*(place)) *)(place))

#if WSGI_ATOMICS == WSGI_ATOMICS_SYNC

#define WSGI_ATOMIC_BEGIN
#define WSGI_ATOMIC_END
#define WSGI_ATOMIC_TRY(place, was, value)                                    \
    __sync_val_compare_and_swap(place, was, value)

/* gcc before 4.4 leaves out __sync_synchronize on x86. A change of the memory
   is a barrier everywhere. */
static inline void wsgi_atomic_barrier(void)
{
    int any = 0;

    __sync_synchronize();
    __sync_fetch_and_add(&any, 1);
}

#else

/* One for each module or program: the linker keeps one of the copies. */
#define WSGI_ATOMIC_ONE __attribute__((weak, visibility("hidden")))

WSGI_ATOMIC_ONE pthread_mutex_t wsgi_atomic_mutex = PTHREAD_MUTEX_INITIALIZER;
WSGI_ATOMIC_ONE pthread_once_t wsgi_atomic_once = PTHREAD_ONCE_INIT;

static inline void wsgi_atomic_hold(void)
{
    pthread_mutex_lock(&wsgi_atomic_mutex);
}

static inline void wsgi_atomic_let_go(void)
{
    pthread_mutex_unlock(&wsgi_atomic_mutex);
}

/* A copy of the process must not find the mutex held by a thread that it does
   not have. */
static inline void wsgi_atomic_prepare(void)
{
    pthread_atfork(wsgi_atomic_hold, wsgi_atomic_let_go, wsgi_atomic_let_go);
}

/* A handler of signals uses atomics, too. So it must not interrupt the thread
   that holds the mutex. */
static inline void wsgi_atomic_lock(sigset_t *before)
{
    sigset_t all;

    pthread_once(&wsgi_atomic_once, wsgi_atomic_prepare);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, before);
    wsgi_atomic_hold();
}

static inline void wsgi_atomic_unlock(const sigset_t *before)
{
    wsgi_atomic_let_go();
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

static inline void wsgi_atomic_barrier(void)
{
    sigset_t before;

    wsgi_atomic_lock(&before);
    wsgi_atomic_unlock(&before);
}

#define WSGI_ATOMIC_BEGIN                                                     \
    sigset_t wsgi_before;                                                     \
    wsgi_atomic_lock(&wsgi_before);
#define WSGI_ATOMIC_END wsgi_atomic_unlock(&wsgi_before);
#define WSGI_ATOMIC_TRY(place, was, value)                                    \
    __extension__({                                                           \
        __typeof__(was) wsgi_there = WSGI_ATOMIC_PLAIN(place);                \
        if (wsgi_there == (was))                                              \
            *(place) = (value);                                               \
        wsgi_there;                                                           \
    })

#endif

#define wsgi_atomic_fence(order) ((void)(order), wsgi_atomic_barrier())

/* What is there. Of a number that is more than a word, a plain read could see
   half of a change. */
#define WSGI_ATOMIC_WORD(place, order)                                        \
    __extension__({                                                           \
        if ((order) == WSGI_SEQ_CST)                                          \
            wsgi_atomic_barrier();                                            \
        __typeof__(*(place)) wsgi_found = WSGI_ATOMIC_PLAIN(place);           \
        if ((order) != WSGI_RELAXED)                                          \
            wsgi_atomic_barrier();                                            \
        wsgi_found;                                                           \
    })

static inline uint64_t wsgi_atomic_wide(const volatile void *place)
{
    uint64_t *at = (uint64_t *)(uintptr_t)place, none = 0, found;

    WSGI_ATOMIC_BEGIN
    found = WSGI_ATOMIC_TRY(at, none, none);
    WSGI_ATOMIC_END
    return found;
}

#define wsgi_atomic_load(place, order)                                        \
    __builtin_choose_expr(sizeof(*(place)) > sizeof(long),                    \
                          wsgi_atomic_wide(place),                            \
                          WSGI_ATOMIC_WORD(place, order))

/* Puts next, an expression of was and with, where was is. */
#define WSGI_ATOMIC_CHANGE(place, value, next, result)                        \
    __extension__({                                                           \
        __typeof__(place) wsgi_at = (place);                                  \
        __typeof__(*wsgi_at) wsgi_with = (value), wsgi_was, wsgi_next;        \
        WSGI_ATOMIC_BEGIN                                                     \
        do {                                                                  \
            wsgi_was = WSGI_ATOMIC_PLAIN(wsgi_at);                            \
            wsgi_next = (next);                                               \
        } while (WSGI_ATOMIC_TRY(wsgi_at, wsgi_was, wsgi_next) != wsgi_was);  \
        WSGI_ATOMIC_END(void) wsgi_with;                                      \
        (result);                                                             \
    })

#define wsgi_atomic_store(place, value, order)                                \
    ((void)(order),                                                           \
     (void)WSGI_ATOMIC_CHANGE(place, value, wsgi_with, wsgi_was))
#define wsgi_atomic_exchange(place, value, order)                             \
    ((void)(order), WSGI_ATOMIC_CHANGE(place, value, wsgi_with, wsgi_was))
#define wsgi_atomic_fetch_add(place, value, order)                            \
    ((void)(order),                                                           \
     WSGI_ATOMIC_CHANGE(place, value, wsgi_was + wsgi_with, wsgi_was))
#define wsgi_atomic_add(place, value, order)                                  \
    ((void)(order),                                                           \
     WSGI_ATOMIC_CHANGE(place, value, wsgi_was + wsgi_with, wsgi_next))
#define wsgi_atomic_sub(place, value, order)                                  \
    ((void)(order),                                                           \
     WSGI_ATOMIC_CHANGE(place, value, wsgi_was - wsgi_with, wsgi_next))
#define wsgi_atomic_or(place, value, order)                                   \
    ((void)(order),                                                           \
     WSGI_ATOMIC_CHANGE(place, value, wsgi_was | wsgi_with, wsgi_next))

#define wsgi_atomic_swap(place, expected, value, order, otherwise)            \
    __extension__({                                                           \
        __typeof__(place) wsgi_at = (place);                                  \
        __typeof__(*wsgi_at) *wsgi_known = (expected), wsgi_with = (value);   \
        __typeof__(*wsgi_at) wsgi_was = *wsgi_known, wsgi_found;              \
        (void)(order), (void)(otherwise);                                     \
        WSGI_ATOMIC_BEGIN                                                     \
        wsgi_found = WSGI_ATOMIC_TRY(wsgi_at, wsgi_was, wsgi_with);           \
        WSGI_ATOMIC_END                                                       \
        *wsgi_known = wsgi_found;                                             \
        wsgi_found == wsgi_was;                                               \
    })

#endif
