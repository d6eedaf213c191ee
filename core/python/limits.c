/*
 * limits.c - settings that the Python of this process can't satisfy.
 *
 * Settings that contradict each other are an error. For others a warning is
 * logged once in a process, and the request is served without them.
 */
#include "interpreters.h"

/* Whether a warning has not been logged in this process yet. */
static int is_first(int *told)
{
    return !wsgi_atomic_exchange(told, 1, WSGI_RELAXED);
}

/* An interpreter with a lock of its own needs Python 3.12, can't be the main
   one, and can't be mod_python's. */
static int check_gil(const wsgi_request *request, wsgi_settings *s)
{
    static int told;

    if (!s->own_gil)
        return 0;
    if (WSGI_HAS_OWN_GIL && wsgi_settings_want_main(s)) {
        wsgi_log(request, WSGI_ERROR,
                 "MW0118: mod_wsgi.gil 'own' is not possible in "
                 "main_interpreter: choose another mod_wsgi.interpreter");
        return -1;
    }
    if (WSGI_HAS_OWN_GIL && !wsgi_process_is_shared())
        return 0;
    if (is_first(&told))
        wsgi_log(request, WSGI_WARNING,
                 "MW0119: mod_wsgi.gil 'own' %s: the lock is shared",
                 WSGI_HAS_OWN_GIL
                     ? "is not possible in an interpreter of mod_python's"
                     : "needs Python 3.12 or newer, and this is " PY_VERSION);
    s->own_gil = 0;
    return 0;
}

/* There is only one main interpreter. mod_python has one interpreter for each
   name. */
static int check_pool(const wsgi_request *request, wsgi_settings *s)
{
    static int told;

    if (s->interpreters == 1)
        return 0;
    if (wsgi_settings_want_main(s)) {
        wsgi_log(request, WSGI_ERROR,
                 "MW0121: mod_wsgi.interpreters '%ld' is not possible for "
                 "main_interpreter, of which there is only one: choose "
                 "another mod_wsgi.interpreter",
                 s->interpreters);
        return -1;
    }
    if (!wsgi_process_is_shared())
        return 0;
    if (is_first(&told))
        wsgi_log(request, WSGI_WARNING,
                 "MW0122: mod_wsgi.interpreters '%ld' is not possible beside "
                 "mod_python, which has one interpreter for each name: that "
                 "one serves",
                 s->interpreters);
    s->interpreters = 1;
    return 0;
}

/* The os.environ of mod_python's interpreters is not ours to change. */
static void check_environ(const wsgi_request *request, wsgi_settings *s)
{
    static int told;

    if (s->environ_sum == 0 || !wsgi_process_is_shared())
        return;
    if (is_first(&told))
        wsgi_log(request, WSGI_WARNING,
                 "MW0124: mod_wsgi.environ.NAME has no effect beside "
                 "mod_python: its interpreters stay as they are");
    s->environ_sum = 0;
}

int wsgi_limits_apply(const wsgi_request *request, wsgi_settings *s)
{
    if (check_gil(request, s) < 0 || check_pool(request, s) < 0)
        return 500;
    check_environ(request, s);
    return 0;
}
