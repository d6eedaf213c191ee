/*
 * nopython.c - the upper layers of the core in a module that was built without
 * Python: all applications are in processes of their own.
 */
#include "../../core/run.h"

const char wsgi_component[] = "mod_wsgi/" WSGI_VERSION;

void wsgi_note_signals(void)
{
}

void wsgi_start(const wsgi_process *process)
{
    wsgi_process_given = *process;
    wsgi_settings_prepare();
}

void wsgi_stop(void)
{
}

void wsgi_stop_before_signals(void)
{
}

void wsgi_warm(void)
{
}

int wsgi_run(const wsgi_request *request, const wsgi_decision *decision)
{
    (void)decision;
    wsgi_log(request, WSGI_ERROR,
             "MW0609: this module was built without Python: set "
             "mod_wsgi.process, \"SetEnv mod_wsgi.process auto\"");
    return 500;
}
