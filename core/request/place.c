/*
 * place.c - how many requests of an application run at once
 * (mod_wsgi.concurrency), and how many of all applications of a customer
 * (concurrency= in MOD_WSGI_LIMITS).
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
#include "request.h"

#define ONE_CHANGE (UINT64_C(1) << 32)

/* Where the children share no memory. Applications with the same remainder
   count together, and so do customers. */
static wsgi_tally_places alone[WSGI_TALLY_PLACES];

static __thread wsgi_place *innermost;

static wsgi_tally_places *places_of(unsigned number)
{
    wsgi_tally *memory = wsgi_tally_shared();

    return memory != NULL ? &memory->places[number] : &alone[number];
}

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

    return wsgi_atomic_swap(&places->state, state, next, WSGI_SEQ_CST,
                            WSGI_SEQ_CST);
}

static int add_one(wsgi_tally_places *places, long most)
{
    uint64_t state = wsgi_atomic_load(&places->state, WSGI_SEQ_CST);

    while ((long long)count_of(state) < most)
        if (replace(places, &state, count_of(state) + 1))
            return 1;
    return 0;
}

static void take_one(wsgi_tally_places *places)
{
    uint64_t state = wsgi_atomic_load(&places->state, WSGI_SEQ_CST);

    while (count_of(state) > 0 &&
           !replace(places, &state, count_of(state) - 1))
        ;
}

/* ---- Children --------------------------------------------------------- */

static void count_mine(unsigned number, int difference)
{
    wsgi_tally_child *mine = wsgi_tally_mine();

    if (mine != NULL)
        wsgi_atomic_add(&mine->places[number], (uint16_t)difference,
                        WSGI_SEQ_CST);
}

/* Takes off what children have left that died. Returns whether it was
   anything. If the number changes meanwhile, the sum is not used. */
static int repair(unsigned number)
{
    const wsgi_tally *memory = wsgi_tally_shared();
    wsgi_tally_places *places = places_of(number);
    uint64_t state = wsgi_atomic_load(&places->state, WSGI_SEQ_CST);
    uint32_t sum;

    if (memory == NULL || wsgi_tally_mine() == NULL)
        return 0;
    sum = wsgi_sibling_sum(memory, offsetof(wsgi_tally_child, places) +
                                       number * sizeof(uint16_t));
    return sum < count_of(state) && replace(places, &state, sum);
}

/* ---- Whose places ----------------------------------------------------- */

/* There is a places for each row. Applications without a row of their own
   share the others. */
static unsigned number_of_application(const wsgi_tally_use *use,
                                      const wsgi_request *request,
                                      const wsgi_settings *settings)
{
    if (wsgi_tally_shared() != NULL &&
        wsgi_tally_number_of(use) < WSGI_TALLY_ROWS)
        return wsgi_tally_number_of(use);
    return WSGI_TALLY_ROWS +
           (unsigned)(wsgi_tally_key(request, settings) % WSGI_TALLY_ROWS);
}

/* Whether the places are this customer's, or have become so. */
static int is_owner(uint32_t *theirs, uint32_t owner)
{
    uint32_t before = wsgi_atomic_load(theirs, WSGI_RELAXED);

    return before == owner ||
           (before == 0 && (wsgi_atomic_swap(theirs, &before, owner,
                                             WSGI_RELAXED, WSGI_RELAXED) ||
                            before == owner));
}

/* A customer keeps the places once taken. When all are taken, one more counts
   together with another customer. */
static unsigned number_of_customer(uint32_t owner)
{
    wsgi_tally *memory = wsgi_tally_shared();
    unsigned first = owner % WSGI_TALLY_OWNERS, at = first, tries;

    for (tries = 0; memory != NULL && tries < WSGI_TALLY_OWNERS; tries++) {
        at = (first + tries) % WSGI_TALLY_OWNERS;
        if (is_owner(&memory->owners[at], owner))
            break;
    }
    return WSGI_TALLY_OF_OWNERS + (tries < WSGI_TALLY_OWNERS ? at : first);
}

/* ---- Refusals --------------------------------------------------------- */

/* "'shop' in the process 'NAME'" */
static void describe(char *text, size_t size, const wsgi_request *request,
                     const wsgi_settings *s)
{
    char where[WSGI_NAMING_SIZE + 1] = "";

    if (s->process != NULL)
        wsgi_naming_process(request, s, where, sizeof where);
    else
        *wsgi_naming_append(where, where + sizeof where - 1, request, s) = 0;
    snprintf(text, size, "'%s' in the %s '%s'",
             s->application != NULL ? s->application : request->filename,
             s->process != NULL ? "process" : "interpreter", where);
}

/* Says whose the application is, too. Many may have the same name. */
static void tell_application(const wsgi_request *request,
                             const wsgi_settings *s,
                             unsigned long long refused)
{
    char which[WSGI_LOG_ROOM], user[48] = "";

    describe(which, sizeof which, request, s);
    if (s->owner > 0)
        snprintf(user, sizeof user, " of the user %lld", s->owner);
    wsgi_log(request, WSGI_ERROR,
             "MW0520: %s%s has %ld requests at the same time, as many as "
             "mod_wsgi.concurrency allows: refused since the last such line: "
             "%llu, the last of them %s",
             which, user, s->concurrency, refused, request->uri);
}

static void tell_customer(const wsgi_request *request, const wsgi_settings *s,
                          long ceiling, unsigned long long refused)
{
    char which[WSGI_LOG_ROOM], name[64];

    describe(which, sizeof which, request, s);
    wsgi_owner_name(s->owner, name, sizeof name);
    wsgi_log(request, WSGI_ERROR,
             "MW0522: the user %s (number %lld) has %ld requests at the same "
             "time, as many as concurrency= in " WSGI_LIMITS
             " allows for all applications of a customer. To allow more, "
             "raise it in the server's environment, and stop and start the "
             "server. Refused since the last such line: %llu, the last of "
             "them %s, for %s",
             name, s->owner, ceiling, refused, request->uri, which);
}

static void count_refused(unsigned number)
{
    wsgi_atomic_add(&places_of(number)->refused.all, 1, WSGI_RELAXED);
}

/* ---- Requests --------------------------------------------------------- */

/* Whether a request around this one has a place there already. */
static int is_inside(const wsgi_place *place, unsigned number)
{
    const wsgi_place *around;
    unsigned i;

    for (around = place->around; around != NULL; around = around->around)
        for (i = 0; i < around->count; i++)
            if (around->numbers[i] == number)
                return 1;
    return 0;
}

static int has_room(unsigned number, long most)
{
    count_mine(number, 1);
    if (add_one(places_of(number), most))
        return 1;
    count_mine(number, -1);
    return 0;
}

/* Returns whether the request may go on. */
static int take(wsgi_place *place, unsigned number, long most)
{
    if (is_inside(place, number))
        return 1;
    if (!has_room(number, most) && !(repair(number) && has_room(number, most)))
        return 0;
    place->numbers[place->count++] = number;
    return 1;
}

static void give_back(wsgi_place *place)
{
    while (place->count > 0) {
        unsigned number = place->numbers[--place->count];

        take_one(places_of(number));
        count_mine(number, -1);
    }
}

/* Says once that the bound is not the whole server's. */
static void tell_alone(const wsgi_request *request)
{
    static int is_told;

    if (wsgi_tally_shared() == NULL &&
        !wsgi_atomic_exchange(&is_told, 1, WSGI_RELAXED))
        wsgi_log(
            request, WSGI_WARNING,
            "MW0521: mod_wsgi.concurrency and concurrency= in " WSGI_LIMITS
            " count in each of the server's processes by itself: they "
            "could have no memory in common");
}

static int enter_application(wsgi_place *place, unsigned number,
                             const wsgi_request *request,
                             const wsgi_settings *settings)
{
    unsigned long long refused;

    if (take(place, number, settings->concurrency))
        return 0;
    refused = wsgi_refusal_count(&places_of(number)->refused);
    if (refused > 0)
        tell_application(request, settings, refused);
    return 503;
}

static int enter_customer(wsgi_place *place, const wsgi_request *request,
                          const wsgi_settings *settings, long ceiling)
{
    unsigned number = number_of_customer((uint32_t)settings->owner);
    unsigned long long refused;

    if (take(place, number, ceiling))
        return 0;
    refused = wsgi_refusal_count(&places_of(number)->refused);
    if (refused > 0)
        tell_customer(request, settings, ceiling, refused);
    return 503;
}

int wsgi_place_enter(wsgi_place *place, const wsgi_tally_use *use,
                     const wsgi_request *request,
                     const wsgi_settings *settings, long ceiling)
{
    unsigned number;
    int status = 0;

    place->count = 0;
    if (settings->concurrency == WSGI_NO_BOUND && ceiling == WSGI_NO_BOUND)
        return 0;
    tell_alone(request);
    place->around = innermost;
    number = number_of_application(use, request, settings);
    if (settings->concurrency != WSGI_NO_BOUND)
        status = enter_application(place, number, request, settings);
    if (status == 0 && ceiling != WSGI_NO_BOUND) {
        status = enter_customer(place, request, settings, ceiling);
        if (status != 0)
            count_refused(number); /* the status page has applications only */
    }
    if (status != 0) {
        give_back(place);
        wsgi_retry_later(request, 1);
    } else if (place->count > 0) {
        innermost = place;
    }
    return status;
}

void wsgi_place_leave(wsgi_place *place)
{
    if (place->count == 0)
        return;
    give_back(place);
    innermost = place->around;
}
