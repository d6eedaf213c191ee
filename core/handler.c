/*
 * handler.c - what a server calls: one request, and the start of a process.
 */
#include "run.h"
#include "wsgi/wsgi.h"

int wsgi_handle(const wsgi_request *request)
{
    wsgi_decision decision;
    int status = wsgi_decide(request, &decision);

    return status != 0 ? status : wsgi_run(request, &decision);
}

void wsgi_rest(void)
{
    wsgi_thread *self = wsgi_thread_self();

    if (self != NULL && !wsgi_process_is_ending())
        wsgi_thread_drop_retired(self);
}

int wsgi_reloads(void)
{
    return wsgi_reload_is_used();
}

/* ---- The process ------------------------------------------------------ */

static void end_interp(wsgi_interp *interp)
{
    wsgi_script_forget(interp->scripts);
    interp->scripts = NULL;
    wsgi_failures_end(interp->failures);
    interp->failures = NULL;
    wsgi_reload_forget(interp->watch);
    interp->watch = NULL;
    wsgi_kit_forget(interp);
}

static void leave_slot(wsgi_slot *slot)
{
    wsgi_environ_free(slot->environ);
}

void wsgi_start(const wsgi_process *process)
{
    static const wsgi_hooks hooks = {
        .made = wsgi_kit_make,
        .ends = end_interp,
        .left = leave_slot,
    };

    wsgi_note_signals();
    wsgi_process_given = *process;
    wsgi_interp_hooks = &hooks;
    wsgi_settings_prepare();
}
