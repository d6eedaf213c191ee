/*
 * registry.c - finds interpreters by name.
 *
 * An interpreter is made when a request first needs it, and stays until the
 * process ends, unless reload.c replaces it. Several interpreters of one name
 * are a pool: a request goes to the least busy.
 */
#include "interpreters.h"

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;

static long most(void)
{
    return wsgi_settings_of_process()->max_interpreters;
}

/* Counts an interpreter that is about to be made. Returns 0 if there is no
   room for it. The Python thread then looks for retired ones that can end. */
static int take_place(void)
{
    if (wsgi_interp_count_one() <= most())
        return 1;
    wsgi_interp_forget_one();
    wsgi_jobs_wake();
    return 0;
}

/* Takes a place for one more interpreter in a pool of count. Returns whether
   there is one. If not, logs that once in a process, and the smaller pool
   serves. */
static int take_place_in_pool(const wsgi_request *request,
                              const wsgi_settings *settings, long count)
{
    static int told;

    if (take_place())
        return 1;
    if (!told)
        wsgi_log(
            request, WSGI_WARNING,
            "MW0123: mod_wsgi.interpreters '%ld' is not reached: there are "
            "%ld, and this process has as many as " WSGI_MAX_INTERPRETERS
            " allows, %ld; raise that in the server's environment",
            settings->interpreters, count, most());
    told = 1;
    return 0;
}

/* Takes a place for the first interpreter of a name. Returns whether there is
   one, and logs if not. */
static int take_first_place(const wsgi_request *request, const char *name)
{
    if (take_place())
        return 1;
    wsgi_log(
        request, WSGI_ERROR,
        "MW0410: no interpreter '%s': this process has %ld already (replaced "
        "ones that have not ended count), as many as " WSGI_MAX_INTERPRETERS
        " allows; raise that in the server's environment, or set "
        "mod_wsgi.interpreter to share one",
        wsgi_making_shown_part(name), most());
    return 0;
}

/* Makes an interpreter and adds it to the registry. Its place is taken. */
static wsgi_interp *add(const wsgi_request *request,
                        const wsgi_settings *settings, const char *name)
{
    wsgi_interp *interp =
        wsgi_making_new(request, settings, name, settings->interpreters > 1);

    if (interp != NULL) {
        interp->next = *wsgi_interp_serving();
        wsgi_atomic_store(wsgi_interp_serving(), interp, WSGI_RELEASE);
    }
    return interp;
}

/* The least busy interpreter of a name, or NULL. Counts those of that name. */
static wsgi_interp *least_busy(const char *name, long *count)
{
    wsgi_interp *interp, *best = NULL;

    *count = 0;
    for (interp = *wsgi_interp_serving(); interp != NULL;
         interp = interp->next) {
        if (strcmp(interp->name, name) != 0)
            continue;
        ++*count;
        if (best == NULL ||
            wsgi_gate_count(&interp->visits) < wsgi_gate_count(&best->visits))
            best = interp;
    }
    return best;
}

/* Whether the settings agree with those that the interpreter was made with.
   Logs if not. */
static int is_agreed(const wsgi_request *request,
                     const wsgi_settings *settings, const wsgi_interp *interp)
{
    if (interp->own_gil == settings->own_gil)
        return 1;
    wsgi_log(request, WSGI_ERROR,
             "MW0120: mod_wsgi.gil '%s' is not possible: the interpreter '%s' "
             "was made with mod_wsgi.gil '%s'; give this application its own "
             "mod_wsgi.interpreter",
             settings->own_gil ? "own" : "shared", interp->shown,
             interp->own_gil ? "own" : "shared");
    return 0;
}

wsgi_interp *wsgi_registry_find(const wsgi_request *request,
                                const wsgi_settings *settings,
                                const char *name, int *status)
{
    wsgi_interp *interp, *another = NULL;
    long count;

    pthread_mutex_lock(&registry);
    interp = least_busy(name, &count);
    if (interp == NULL && !take_first_place(request, name))
        *status = 503;
    else if (interp == NULL)
        interp = add(request, settings, name);
    else if (wsgi_gate_count(&interp->visits) > 0 &&
             count < settings->interpreters &&
             take_place_in_pool(request, settings, count))
        another = add(request, settings, name);
    if (another != NULL)
        interp = another;
    /* Interpreters in the registry are not retired, so this one can be held.
     */
    if (interp != NULL &&
        (!is_agreed(request, settings, interp) || !wsgi_interp_hold(interp)))
        interp = NULL;
    pthread_mutex_unlock(&registry);
    return interp;
}

wsgi_interp *wsgi_registry_again(const wsgi_request *request,
                                 const wsgi_settings *settings,
                                 const wsgi_interp *interp, int *told)
{
    wsgi_settings same = *settings;

    same.own_gil = interp->own_gil;
    if (take_place()) {
        *told = 0;
        return wsgi_making_new(request, &same, interp->name,
                               interp->is_pooled);
    }
    if (!*told)
        wsgi_log(request, WSGI_WARNING,
                 "MW0314: the application of the interpreter '%s' has "
                 "changed, but is not loaded again until another interpreter "
                 "has ended: this process has %ld (replaced ones that have "
                 "not ended count), as many as " WSGI_MAX_INTERPRETERS
                 " allows",
                 interp->shown, most());
    *told = 1;
    return NULL;
}

void wsgi_registry_replace(wsgi_interp *old, wsgi_interp *fresh)
{
    wsgi_interp **place;

    pthread_mutex_lock(&registry);
    for (place = wsgi_interp_serving(); *place != old; place = &(*place)->next)
        ;
    fresh->next = old->next;
    wsgi_atomic_store(place, fresh, WSGI_RELEASE);
    pthread_mutex_unlock(&registry);
    wsgi_interp_retire(old);
}
