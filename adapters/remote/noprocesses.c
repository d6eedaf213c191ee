/*
 * noprocesses.c - stands in for remote.c and parent.c where applications have
 * no processes of their own: they need Linux.
 */
#include "parent.h"
#include "serve.h"

int wsgi_remote_run(const wsgi_request *request, const wsgi_settings *s)
{
    wsgi_log(request, WSGI_ERROR,
             "MW0645: this module has no processes of applications, which "
             "need Linux: %s",
             s->owner > 0 ? "set " WSGI_USERS " to none, which has customers' "
                            "applications run in the server's processes"
                          : "take mod_wsgi.process out");
    return 500;
}

long wsgi_parent_configure(const wsgi_parent *parent)
{
    (void)parent;
    return 0;
}

long wsgi_parent_respawn(const wsgi_parent *parent)
{
    (void)parent;
    return 0;
}

void wsgi_parent_enter_child(void)
{
}

const char *wsgi_parent_problem(void)
{
    return "this module has no processes of applications";
}
