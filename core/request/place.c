/*
 * place.c - how many requests of an application run at once
 * (mod_wsgi.concurrency).
 *
 * A number in shared memory says how many of all the server's children run. A
 * request that would be one too many never begins, and none is refused while
 * there is room. A child that dies leaves its part in that number. So each
 * child counts its own, too. Where there seems to be no room, the number is
 * compared with the sum of those of children that live.
 *
 * That sum is never too small: a child counts a request before the shared
 * number does, and as long.
 */
#include <stdio.h>
#include <unistd.h>

#include "request.h"

#define TOLD_SECONDS 60
#define ONE_CHANGE (UINT64_C(1) << 32)

/* Where the children share no memory. Applications with the same remainder
   count together. */
static wsgi_tally_places alone[WSGI_TALLY_PLACES];

static __thread wsgi_place *innermost;

/* ---- The number ------------------------------------------------------- */

static uint32_t count_of(uint64_t state)
{
    return (uint32_t)state;
}

/* Replaces the state by one with that count, if it is still the same. Else
   stores there what it is. */
static int replace(wsgi_tally_places *places, uint64_t *state, uint32_t count)
{
    uint64_t next = ((*state + ONE_CHANGE) & ~(uint64_t)UINT32_MAX) | count;

    return __atomic_compare_exchange_n(&places->state, state, next, 0,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static int add_one(wsgi_tally_places *places, long most)
{
    uint64_t state = __atomic_load_n(&places->state, __ATOMIC_SEQ_CST);

    while (count_of(state) < most)
        if (replace(places, &state, count_of(state) + 1))
            return 1;
    return 0;
}

static void take_one(wsgi_tally_places *places)
{
    uint64_t state = __atomic_load_n(&places->state, __ATOMIC_SEQ_CST);

    while (count_of(state) > 0 &&
           !replace(places, &state, count_of(state) - 1))
        ;
}

/* ---- Children --------------------------------------------------------- */

static void count_mine(unsigned number, int difference)
{
    wsgi_tally_child *mine = wsgi_tally_mine();

    if (mine != NULL)
        __atomic_add_fetch(&mine->places[number], (uint16_t)difference,
                           __ATOMIC_SEQ_CST);
}

/* The server's children are in its process group. */
static int is_alive(uint32_t pid)
{
    return getpgid((pid_t)pid) == getpgrp();
}

static uint32_t sum_of(const wsgi_tally *memory, unsigned number)
{
    uint32_t sum = 0;
    unsigned i;

    for (i = 0; i < WSGI_TALLY_CHILDREN; i++) {
        const wsgi_tally_child *child = &memory->children[i];
        uint32_t pid = __atomic_load_n(&child->pid, __ATOMIC_SEQ_CST);
        uint16_t count;

        if (pid == 0)
            continue;
        count = __atomic_load_n(&child->places[number], __ATOMIC_SEQ_CST);
        if (count > 0 && is_alive(pid))
            sum += count;
    }
    return sum;
}

/* Takes off what children have left that died. Returns whether it was
   anything. If the number changes meanwhile, the sum is not used. */
static int repair(wsgi_tally_places *places, unsigned number)
{
    const wsgi_tally *memory = wsgi_tally_shared();
    uint64_t state = __atomic_load_n(&places->state, __ATOMIC_SEQ_CST);
    uint32_t sum;

    if (memory == NULL || wsgi_tally_mine() == NULL)
        return 0;
    sum = sum_of(memory, number);
    return sum < count_of(state) && replace(places, &state, sum);
}

/* ---- Refusals --------------------------------------------------------- */

/* Whether a line is due, which is so once a minute. */
static int is_due(wsgi_tally_places *places)
{
    uint64_t now = wsgi_tally_now() / 1000000U + 1;
    uint64_t told = __atomic_load_n(&places->told, __ATOMIC_RELAXED);

    return (told == 0 || now < told || now - told >= TOLD_SECONDS) &&
           __atomic_compare_exchange_n(&places->told, &told, now, 0,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Says whose the application is, too. Many may have the same name. */
static void tell(wsgi_tally_places *places, const wsgi_request *request,
                 const wsgi_settings *s)
{
    char where[WSGI_NAMING_SIZE + 1] = "", user[48] = "";

    if (s->process != NULL)
        wsgi_naming_process(request, s, where, sizeof where);
    else
        *wsgi_naming_append(where, where + sizeof where - 1, request, s) = 0;
    if (s->owner > 0)
        snprintf(user, sizeof user, " of the user %ld", s->owner);
    wsgi_log(request, WSGI_ERROR,
             "MW0520: '%s' in the %s '%s'%s has %ld requests at the same "
             "time, as many as mod_wsgi.concurrency%s allows: refused since "
             "the last such line: %llu, the last of them %s",
             s->application != NULL ? s->application : request->filename,
             s->process != NULL ? "process" : "interpreter", where, user,
             s->concurrency,
             s->owner > 0 ? ", or concurrency= in " WSGI_LIMITS "," : "",
             (unsigned long long)__atomic_exchange_n(&places->untold, 0,
                                                     __ATOMIC_RELAXED),
             request->uri);
}

static int refuse(wsgi_tally_places *places, const wsgi_request *request,
                  const wsgi_settings *settings)
{
    __atomic_add_fetch(&places->refused, 1, __ATOMIC_RELAXED);
    __atomic_add_fetch(&places->untold, 1, __ATOMIC_RELAXED);
    if (is_due(places))
        tell(places, request, settings);
    wsgi_retry_later(request, 1);
    return 503;
}

/* ---- Requests --------------------------------------------------------- */

/* There is a places for each row. Applications without a row of their own
   share the others. */
static wsgi_tally_places *find(wsgi_place *place, const wsgi_tally_use *use,
                               const wsgi_request *request,
                               const wsgi_settings *settings)
{
    wsgi_tally *memory = wsgi_tally_shared();
    uint64_t key;

    if (memory != NULL && wsgi_tally_number_of(use) < WSGI_TALLY_ROWS) {
        place->number = wsgi_tally_number_of(use);
        return &memory->places[place->number];
    }
    key = wsgi_tally_key(request, settings);
    place->number = WSGI_TALLY_ROWS + (unsigned)(key % WSGI_TALLY_ROWS);
    return memory != NULL ? &memory->places[place->number]
                          : &alone[place->number];
}

/* Whether a request around this one has the place already. */
static int is_inside(const wsgi_place *place)
{
    const wsgi_place *around = place->around;

    while (around != NULL && around->number != place->number)
        around = around->around;
    return around != NULL;
}

static int has_room(wsgi_tally_places *places, unsigned number, long most)
{
    count_mine(number, 1);
    if (add_one(places, most))
        return 1;
    count_mine(number, -1);
    return 0;
}

/* Says once that the bound is not the whole server's. */
static void tell_alone(const wsgi_request *request)
{
    static int is_told;

    if (wsgi_tally_shared() == NULL &&
        !__atomic_exchange_n(&is_told, 1, __ATOMIC_RELAXED))
        wsgi_log(request, WSGI_WARNING,
                 "MW0521: mod_wsgi.concurrency counts in each of the server's "
                 "processes by itself: they could have no memory in common");
}

int wsgi_place_enter(wsgi_place *place, const wsgi_tally_use *use,
                     const wsgi_request *request,
                     const wsgi_settings *settings)
{
    wsgi_tally_places *places;
    long most = settings->concurrency;

    place->is_counted = 0;
    if (most == WSGI_NO_BOUND)
        return 0;
    tell_alone(request);
    place->around = innermost;
    places = find(place, use, request, settings);
    if (is_inside(place))
        return 0;
    if (!has_room(places, place->number, most) &&
        !(repair(places, place->number) &&
          has_room(places, place->number, most)))
        return refuse(places, request, settings);
    place->is_counted = 1;
    innermost = place;
    return 0;
}

void wsgi_place_leave(wsgi_place *place)
{
    wsgi_tally *memory = wsgi_tally_shared();

    if (!place->is_counted)
        return;
    take_one(memory != NULL ? &memory->places[place->number]
                            : &alone[place->number]);
    count_mine(place->number, -1);
    innermost = place->around;
}
