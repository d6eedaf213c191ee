/*
 * spawner.c - the server's parent process starts the spawner, and another when
 * that has died.
 *
 * The spawner is noted as a program of the pool that lives as long as the
 * server. So the server waits for its end when the server is stopped.
 */
#include "adapter.h"

#include <unistd.h>

#include "../remote/parent.h"

static const char key[] = "mod_wsgi: the spawner"; /* in that pool */

static wsgi_parent describe(const server_rec *server)
{
    wsgi_parent parent = {.user = (long long)ap_unixd_config.user_id,
                          .group = (long long)ap_unixd_config.group_id,
                          .log = wsgi_apache_log_of(server),
                          .configuration = wsgi_apache_configuration()};

    return parent;
}

/* The record of the spawner, which outlives this module's code. */
static apr_proc_t *recall(apr_pool_t *pool)
{
    void *kept = NULL;
    apr_proc_t *spawner;

    apr_pool_userdata_get(&kept, key, pool);
    if (kept != NULL)
        return kept;
    spawner = apr_pcalloc(pool, sizeof *spawner);
    apr_pool_userdata_set(spawner, key, apr_pool_cleanup_null, pool);
    return spawner;
}

static void watch(server_rec *server, apr_pool_t *config, long pid);

/* Called by the server when the spawner has died, and at other events. */
static void maintain(int reason, void *server, int status)
{
    server_rec *s = server;
    wsgi_parent parent = describe(s);
    long pid;

    (void)status;
    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST)
        return;
    apr_proc_other_child_unregister(server);
    ap_log_error(
        APLOG_MARK, APLOG_ERR, 0, s,
        "mod_wsgi: MW0702: mod_wsgi-spawner has ended: another one begins");
    pid = wsgi_parent_respawn(&parent);
    if (pid == 0)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "mod_wsgi: MW0703: no mod_wsgi-spawner could be started: "
                     "%s: mend that and restart the server",
                     wsgi_parent_problem());
    watch(s, s->process->pconf, pid);
}

static void watch(server_rec *server, apr_pool_t *config, long pid)
{
    apr_pool_t *pool = server->process->pool;
    apr_proc_t *spawner = recall(pool);
    int is_first = spawner->pid == 0;

    if (pid <= 0)
        return;
    spawner->pid = (pid_t)pid;
    if (is_first)
        apr_pool_note_subprocess(pool, spawner, APR_KILL_AFTER_TIMEOUT);
    apr_proc_other_child_register(spawner, maintain, server, NULL, config);
}

void wsgi_apache_configure_spawner(apr_pool_t *config, server_rec *server)
{
    wsgi_parent parent = describe(server);

    watch(server, config, wsgi_parent_configure(&parent));
}

/* The process of -X is the parent and a child at once, and ends like a child:
   it may have no right to kill the spawner, and would wait for it for ever. So
   the record does not name the spawner any more. No process waits for itself.
 */
void wsgi_apache_enter_child(const server_rec *server)
{
    recall(server->process->pool)->pid = getpid();
    wsgi_parent_enter_child();
}
