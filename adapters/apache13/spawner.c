/*
 * spawner.c - the server's parent process starts the spawner, and another when
 * that has died.
 */
#include "adapter.h"

#include <http_conf_globals.h>

#include "../remote/parent.h"

static wsgi_parent describe(const server_rec *server)
{
    wsgi_parent parent = {.user = (long long)ap_user_id,
                          .group = (long long)ap_group_id,
                          .log = wsgi_apache_log_of(server),
                          .configuration = wsgi_apache_configuration()};

    return parent;
}

static void maintain(int reason, void *server, ap_wait_t status);

static void watch(server_rec *server, long pid)
{
    if (pid > 0)
        ap_register_other_child((int)pid, maintain, server, -1);
}

/* Called by the server when the spawner has died, and at other events. A
   server that restarts or stops would wait for the spawner's end, if it still
   knew it then. */
static void maintain(int reason, void *server, ap_wait_t status)
{
    server_rec *s = server;
    wsgi_parent parent = describe(s);
    long pid;

    (void)status;
    if (reason == OC_REASON_UNREGISTER)
        return;
    ap_unregister_other_child(server);
    if (reason != OC_REASON_DEATH && reason != OC_REASON_LOST)
        return;
    ap_log_error(
        APLOG_MARK, APLOG_ERR | APLOG_NOERRNO, s,
        "mod_wsgi: MW0702: mod_wsgi-spawner has ended: another one begins");
    pid = wsgi_parent_respawn(&parent);
    if (pid == 0)
        ap_log_error(APLOG_MARK, APLOG_ERR | APLOG_NOERRNO, s,
                     "mod_wsgi: MW0703: no mod_wsgi-spawner could be started: "
                     "%s: mend that and restart the server",
                     wsgi_parent_problem());
    watch(s, pid);
}

static void forget(void *server)
{
    ap_unregister_other_child(server);
}

void wsgi_apache_configure_spawner(pool *config, server_rec *server)
{
    wsgi_parent parent = describe(server);

    watch(server, wsgi_parent_configure(&parent));
    ap_register_cleanup(config, server, forget, ap_null_cleanup);
}
