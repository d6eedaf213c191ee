/*
 * worker.c - one process in which applications run.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "compat.h"
#include "spawner.h"

/* How long a connection that was handed over counts as a request, if the
   process does not count it: in milliseconds. */
#define RECENT 100

/* Both ends of what a process and the spawner share: ours first. */
typedef struct ends {
    int control[2], news[2], output[2], reports[2];
} ends;

static void close_pair(const int pair[2])
{
    if (pair[0] >= 0)
        close(pair[0]);
    if (pair[1] >= 0)
        close(pair[1]);
}

static void close_ends(const ends *e)
{
    close_pair(e->control);
    close_pair(e->news);
    close_pair(e->output);
    close_pair(e->reports);
}

static int make_ends(ends *e)
{
    *e = (ends){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (wsgi_fd_pair(e->control) == 0 &&
        shutdown(e->control[0], SHUT_RD) == 0 && wsgi_fd_pipe(e->news) == 0 &&
        wsgi_fd_pipe(e->output) == 0 && wsgi_fd_pipe(e->reports) == 0 &&
        fcntl(e->news[0], F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(e->output[0], F_SETFL, O_NONBLOCK) == 0 &&
        fcntl(e->reports[0], F_SETFL, O_NONBLOCK) == 0)
        return 0;
    close_ends(e);
    return -1;
}

/* ---- What comes from it ----------------------------------------------- */

static void stop_reading(int *fd)
{
    if (*fd < 0)
        return;
    wsgi_loop_remove(*fd);
    close(*fd);
    *fd = -1;
}

static void set_draining(wsgi_worker *worker)
{
    if (!worker->is_draining)
        worker->drained_at = worker->quiet_since = wsgi_loop_now();
    worker->is_draining = 1;
}

static void take_news(wsgi_worker *worker, char byte)
{
    if (byte == WSGI_CONTROL_DRAIN) {
        set_draining(worker);
    } else if (byte == WSGI_CONTROL_USED) {
        worker->told_used = wsgi_loop_now();
    } else if (byte == WSGI_CONTROL_READY && !worker->is_ready) {
        worker->is_ready = 1;
        worker->ready_at = wsgi_loop_now();
        wsgi_group_worker_ready(worker);
    } else if (byte == WSGI_CONTROL_STALE) {
        wsgi_swap_take_stale(worker);
    }
}

/* Reads much at once. Else a process could fill its pipe again and again, and
   each byte would be a turn of the loop. */
static void read_news(void *arg)
{
    wsgi_worker *worker = arg;
    char bytes[4096];
    ssize_t size = read(worker->news, bytes, sizeof bytes), i;

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size <= 0) {
        worker->mute_since = wsgi_loop_now();
        stop_reading(&worker->news);
        stop_reading(&worker->control);
    }
    for (i = 0; i < size; i++)
        take_news(worker, bytes[i]);
}

static int read_output_once(wsgi_worker *worker)
{
    return wsgi_lines_read(&worker->lines, worker->output, worker->group->log,
                           worker->group->title, worker->pid);
}

static void read_output(void *arg)
{
    wsgi_worker *worker = arg;

    if (read_output_once(worker) < 0)
        stop_reading(&worker->output);
}

/* Returns 1, or 0 if there is nothing now, or -1 at the end. */
static int read_report_once(wsgi_worker *worker)
{
    wsgi_report report;
    ssize_t size = read(worker->reports, &report, sizeof report);

    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (size != (ssize_t)sizeof report)
        return -1;
    report.text[sizeof report.text - 1] = '\0';
    if (report.status == 0)
        snprintf(worker->group->title, sizeof worker->group->title, "%.*s",
                 (int)sizeof worker->group->title - 1, report.text);
    else
        worker->report = report;
    return 1;
}

static void read_reports(void *arg)
{
    wsgi_worker *worker = arg;

    if (read_report_once(worker) < 0)
        stop_reading(&worker->reports);
}

void wsgi_worker_read_rest(wsgi_worker *worker)
{
    int most = 16; /* a process that it has started may write for ever */

    while (worker->reports >= 0 && read_report_once(worker) > 0)
        ;
    while (worker->output >= 0 && read_output_once(worker) > 0 && --most > 0)
        ;
    wsgi_lines_end(&worker->lines, worker->group->log, worker->group->title,
                   worker->pid);
}

/* ---- Its start and its end -------------------------------------------- */

static void run(const wsgi_worker *worker, const ends *e)
{
    wsgi_program program = {
        .ask = &worker->group->ask,
        .is_bounded = worker->group->is_bounded,
        .slot = worker->slot,
        .patience = worker->patience,
        .output = e->output[1],
        .control = e->control[1],
        .board = worker->group->board.fd,
        .news = e->news[1],
        .reports = e->reports[1],
    };
    int error = wsgi_cgroup_enter(worker->group);

    if (error != 0)
        dprintf(e->output[1],
                "<4>"
                "MW0753: this process is not in its user's cgroup: %s\n",
                strerror(error));
    wsgi_program_run(&program);
}

/* Returns 0, or -1 when memory is out. */
static int watch(wsgi_worker *worker)
{
    return wsgi_loop_add(worker->news, read_news, worker) < 0 ||
                   wsgi_loop_add(worker->output, read_output, worker) < 0 ||
                   wsgi_loop_add(worker->reports, read_reports, worker) < 0
               ? -1
               : 0;
}

/* Returns 0, or -1 with errno. */
static int start(wsgi_worker *worker)
{
    ends e;

    if (make_ends(&e) < 0)
        return -1;
    worker->started = wsgi_loop_now();
    worker->pid = fork();
    if (worker->pid == 0)
        run(worker, &e);
    if (worker->pid < 0) {
        close_ends(&e);
        return -1;
    }
    close(e.control[1]);
    close(e.news[1]);
    close(e.output[1]);
    close(e.reports[1]);
    worker->control = e.control[0];
    worker->news = e.news[0];
    worker->output = e.output[0];
    worker->reports = e.reports[0];
    if (watch(worker) < 0)
        wsgi_worker_drain(worker);
    return 0;
}

wsgi_worker *wsgi_worker_start(wsgi_group *group, int patience, char *why,
                               size_t size)
{
    wsgi_worker *worker = calloc(1, sizeof *worker);

    if (worker != NULL) {
        worker->group = group;
        worker->patience = patience;
        worker->configuration = wsgi_spawner_is.configuration;
        worker->control = worker->news = -1;
        worker->output = worker->reports = -1;
        worker->slot = wsgi_board_take(&group->board);
        wsgi_cgroup_make(group);
        if (start(worker) == 0)
            return worker;
    }
    snprintf(why, size, "mod_wsgi-spawner can't start a process: %s",
             strerror(errno));
    if (worker != NULL)
        wsgi_worker_free(worker);
    wsgi_cgroup_look(group);
    return NULL;
}

void wsgi_worker_free(wsgi_worker *worker)
{
    stop_reading(&worker->control);
    stop_reading(&worker->news);
    stop_reading(&worker->output);
    stop_reading(&worker->reports);
    wsgi_board_give_back(&worker->group->board, worker->slot);
    free(worker);
}

/* ---- What it is told -------------------------------------------------- */

unsigned wsgi_worker_busy(const wsgi_worker *worker)
{
    unsigned busy = wsgi_board_busy(&worker->group->board, worker->slot);
    unsigned expected = worker->busy_before + worker->recent;

    if (worker->slot < 0)
        return worker->given;
    if (wsgi_loop_now() - worker->recent_since >= RECENT)
        return busy;
    return busy > expected ? busy : expected;
}

long long wsgi_worker_used(const wsgi_worker *worker)
{
    long long shown = wsgi_board_used(&worker->group->board, worker->slot);
    long long used = worker->given_at > worker->told_used ? worker->given_at
                                                          : worker->told_used;

    return used > shown ? used : shown;
}

static void count(wsgi_worker *worker)
{
    long long now = wsgi_loop_now();

    if (now - worker->recent_since >= RECENT) {
        worker->busy_before =
            wsgi_board_busy(&worker->group->board, worker->slot);
        worker->recent = 0;
        worker->recent_since = now;
    }
    worker->recent++;
    worker->given++;
    worker->given_at = now;
}

int wsgi_worker_give(wsgi_worker *worker, int connection)
{
    static const char kind = WSGI_CONTROL_CONNECTION;

    wsgi_packet_given(connection, worker->pid, worker->slot,
                      worker->group->board.read_only);
    if (worker->control < 0 ||
        wsgi_packet_send(worker->control, &kind, 1, connection) < 0)
        return -1;
    count(worker);
    return 0;
}

void wsgi_worker_drain(wsgi_worker *worker)
{
    static const char kind = WSGI_CONTROL_DRAIN;

    set_draining(worker);
    wsgi_board_set_draining(&worker->group->board, worker->slot);
    if (worker->control >= 0 &&
        wsgi_packet_send(worker->control, &kind, 1, -1) < 0)
        shutdown(worker->control, SHUT_WR);
}

/* At this signal it logs the stacks of its threads. They have the time until
   it is killed. */
void wsgi_worker_give_up(wsgi_worker *worker)
{
    worker->hangs_since = wsgi_loop_now();
    kill(worker->pid, SIGUSR2);
    wsgi_worker_drain(worker);
}
