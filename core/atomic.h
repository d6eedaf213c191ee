/*
 * atomic.h - numbers and pointers that several threads or processes use at
 * once.
 *
 * Compilers differ in what they offer, and this header is the only place that
 * knows. What they offer is WSGI_ATOMICS: the build may set it, else the
 * compiler is asked. In order of preference:
 *   - WSGI_ATOMICS_NEW: __atomic (gcc 4.7, clang 3.1, and later);
 *   - WSGI_ATOMICS_SYNC: __sync (gcc 4.1). Orders are at least as strict;
 *   - WSGI_ATOMICS_MUTEX: one mutex for all, with signals blocked. Processes
 *     do not see each other's mutex, so WSGI_ATOMIC_IS_SHARED is 0: whoever
 *     changes memory that other processes change, too, has to do without.
 *
 * place is a pointer to an integer or to a pointer. An order is a constant.
 */
#ifndef WSGI_ATOMIC_H
#define WSGI_ATOMIC_H

#define WSGI_ATOMICS_NEW 1
#define WSGI_ATOMICS_SYNC 2
#define WSGI_ATOMICS_MUTEX 3

#ifndef WSGI_ATOMICS
#if defined(__GNUC__) && defined(__ATOMIC_RELAXED)
#define WSGI_ATOMICS WSGI_ATOMICS_NEW
#elif defined(__GNUC__) &&                                                    \
    (__GNUC__ > 4 || (__GNUC__ == 4 && __GNUC_MINOR__ >= 1))
#define WSGI_ATOMICS WSGI_ATOMICS_SYNC
#else
#define WSGI_ATOMICS WSGI_ATOMICS_MUTEX
#endif
#endif

/* Whether it is atomic between processes, too. */
#define WSGI_ATOMIC_IS_SHARED (WSGI_ATOMICS != WSGI_ATOMICS_MUTEX)

/* cppcheck cannot parse what old compilers need. */
#if WSGI_ATOMICS == WSGI_ATOMICS_NEW || defined(__cppcheck__)

#define WSGI_RELAXED __ATOMIC_RELAXED
#define WSGI_ACQUIRE __ATOMIC_ACQUIRE
#define WSGI_RELEASE __ATOMIC_RELEASE
#define WSGI_ACQ_REL __ATOMIC_ACQ_REL
#define WSGI_SEQ_CST __ATOMIC_SEQ_CST

#define wsgi_atomic_load(place, order) __atomic_load_n(place, order)
#define wsgi_atomic_store(place, value, order)                                \
    __atomic_store_n(place, value, order)

/* These return what was there before. */
#define wsgi_atomic_exchange(place, value, order)                             \
    __atomic_exchange_n(place, value, order)
#define wsgi_atomic_fetch_add(place, value, order)                            \
    __atomic_fetch_add(place, value, order)

/* These return what is there now. */
#define wsgi_atomic_add(place, value, order)                                  \
    __atomic_add_fetch(place, value, order)
#define wsgi_atomic_sub(place, value, order)                                  \
    __atomic_sub_fetch(place, value, order)
#define wsgi_atomic_or(place, value, order)                                   \
    __atomic_or_fetch(place, value, order)

/* Stores value if *expected is there. Returns whether it was. If not, stores
   what is there as *expected. The second order is for that case. */
#define wsgi_atomic_swap(place, expected, value, order, otherwise)            \
    __atomic_compare_exchange_n(place, expected, value, 0, order, otherwise)

#define wsgi_atomic_fence(order) __atomic_thread_fence(order)

#else
#include "atomic_old.h"
#endif

#endif
