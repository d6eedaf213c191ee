/*
 * cause.c - why there is no process: for the log, and for those who ask.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "spawner.h"

void wsgi_cause_describe(char *text, size_t size, const wsgi_worker *worker,
                         int status)
{
    int is_signal = WIFSIGNALED(status);
    int number = is_signal ? WTERMSIG(status) : WEXITSTATUS(status);
    long long ms = wsgi_loop_now() - worker->started;

    if (!worker->is_ready && is_signal && number == SIGALRM)
        snprintf(text, size, "nobody has told who its user is for %lld s",
                 ms / 1000);
    else
        snprintf(text, size, "%s %d after %lld s%s",
                 is_signal ? "signal" : "exit status", number, ms / 1000,
                 worker->is_ready ? "" : ", before it was ready");
}

void wsgi_cause_refuse(wsgi_group *group, const wsgi_worker *worker,
                       const char *cause)
{
    wsgi_report *report = &group->refused;

    *report = worker->report;
    if (report->status != 0)
        return;
    report->status = 503;
    snprintf(report->text, sizeof report->text,
             "process %ld of %.200s: %s%s%s", (long)worker->pid, group->title,
             cause, worker->lines.last[0] ? ": " : "", worker->lines.last);
}
