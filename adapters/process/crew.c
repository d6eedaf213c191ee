/*
 * crew.c - the threads, and the connections that they share.
 *
 * A thread waits for any connection to have a request, and serves it. While it
 * does so, no other thread hears of that connection (EPOLLONESHOT). If the
 * server has closed its end meanwhile, the client has gone, and the request
 * does not run.
 *
 * The system lets threads that wait for the same take turns. Each keeps much
 * of its last request for the next one, so a few threads that serve all of
 * them find that in the processor's caches. So no more threads wait than have
 * served at once lately, and one. The others rest until all of those serve.
 *
 * When the crew drains, connections without a request are closed. A request
 * that has just come there is not lost: the server's end sees that it was not
 * read (ECONNRESET), and sends it to another process.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "compat.h"
#include "process.h"

#define REST_MS 5000 /* a thread that waits looks so often what it keeps */
#define SPAN 10      /* seconds */
#define FOR_EVER (-1)

typedef struct connection connection;

struct connection {
    connection *next, **link; /* in the list of all; link points here */
    int socket;
    int is_busy;
};

/* A thread that rests until it is needed. */
typedef struct sleeper {
    struct sleeper *next;
    pthread_cond_t is_over;
    int is_needed;
} sleeper;

/* Protects the list, and what is in it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static connection *all;
static int is_draining; /* atomic, and changed with the lock held */

static int ready = -1; /* an epoll: which connections have something */
static int running;    /* how many threads: atomic */
static wsgi_bell end = {-1, -1}; /* rung: the threads are to end */

/* Protected by the lock, too. */
static int waiting; /* threads that wait for a request, or are about to */
static int serving; /* threads that have one */
static int peak, peak_before; /* the most that had one, in this span of time,
                                 and in the one before */
static time_t span;           /* its number */
static sleeper *asleep;       /* threads that rest: the last one first */

static void (*last_has_ended)(void);

/* ---- Connections ------------------------------------------------------ */

/* The lock is held. */
static void close_one(connection *c)
{
    epoll_ctl(ready, EPOLL_CTL_DEL, c->socket, NULL);
    close(c->socket);
    c->socket = -1;
}

/* The lock is held. */
static void forget(connection *c)
{
    *c->link = c->next;
    if (c->next != NULL)
        c->next->link = c->link;
}

static int watch(connection *c, int operation)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT,
                                .data.ptr = c};

    return epoll_ctl(ready, operation, c->socket, &event);
}

void wsgi_crew_add(int socket)
{
    connection *c = calloc(1, sizeof *c);

    if (c == NULL || is_draining) {
        close(socket);
        free(c);
        return;
    }
    c->socket = socket;
    pthread_mutex_lock(&lock);
    c->next = all;
    c->link = &all;
    if (all != NULL)
        all->link = &c->next;
    all = c;
    if (watch(c, EPOLL_CTL_ADD) < 0)
        close_one(c);
    pthread_mutex_unlock(&lock);
}

/* ---- Which threads wait: the lock is held ----------------------------- */

static void note_span(void)
{
    time_t now = wsgi_seconds() / SPAN;

    if (now == span)
        return;
    peak_before = now - span == 1 ? peak : 0;
    peak = serving;
    span = now;
}

/* Whether so many threads wait that this one may rest. */
static int is_spare(void)
{
    int most = peak > peak_before ? peak : peak_before;

    return waiting > (most > serving ? most - serving : 0);
}

static void wake_one(void)
{
    sleeper *last = asleep;

    if (last == NULL)
        return;
    asleep = last->next;
    last->is_needed = 1;
    pthread_cond_signal(&last->is_over);
}

/* Waits for so long, or until this thread is needed. */
static void sleep_on(sleeper *self)
{
    struct timespec until;

    if (!wsgi_reloads()) {
        pthread_cond_wait(&self->is_over, &lock);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += REST_MS / 1000;
    if (pthread_cond_timedwait(&self->is_over, &lock, &until) == 0)
        return;
    pthread_mutex_unlock(&lock);
    wsgi_rest();
    pthread_mutex_lock(&lock);
}

static void rest(void)
{
    static __thread sleeper self;
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&self.is_over, &attributes);
    pthread_condattr_destroy(&attributes);
    self.is_needed = 0;
    self.next = asleep;
    asleep = &self;
    while (!self.is_needed)
        sleep_on(&self);
    pthread_cond_destroy(&self.is_over);
}

/* This thread is about to wait for a request. */
static void join(void)
{
    note_span();
    while (is_spare() && !is_draining)
        rest();
    waiting++;
}

/* This thread has one. */
static void leave(void)
{
    waiting--;
    serving++;
    if (peak < serving)
        peak = serving;
    if (waiting == 0)
        wake_one();
}

/* ---- Connections that have something ---------------------------------- */

/* Whether this thread may serve a connection that has something. If it was
   closed, its record stays: another thread may just have heard of it, too. */
static int take(connection *c)
{
    int is_open;

    pthread_mutex_lock(&lock);
    is_open = c->socket >= 0;
    c->is_busy = is_open;
    if (is_open)
        leave();
    pthread_mutex_unlock(&lock);
    return is_open;
}

static void give_back(connection *c, int keeps)
{
    pthread_mutex_lock(&lock);
    c->is_busy = 0;
    if (!keeps || is_draining || watch(c, EPOLL_CTL_MOD) < 0) {
        close_one(c);
        forget(c);
        free(c);
    }
    serving--;
    join();
    pthread_mutex_unlock(&lock);
}

void wsgi_crew_drain(void)
{
    static const uint64_t one = 1;
    connection *c;

    pthread_mutex_lock(&lock);
    wsgi_atomic_store(&is_draining, 1, WSGI_RELAXED);
    for (c = all; c != NULL; c = c->next)
        if (!c->is_busy && c->socket >= 0)
            close_one(c);
    while (asleep != NULL)
        wake_one();
    pthread_mutex_unlock(&lock);
    while (wsgi_own_has(end.rung) && write(end.rung, &one, sizeof one) < 0 &&
           errno == EINTR)
        ;
}

int wsgi_crew_is_draining(void)
{
    return wsgi_atomic_load(&is_draining, WSGI_RELAXED);
}

/* ---- Copies ----------------------------------------------------------- */

static void before_fork(void)
{
    pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&lock);
}

/* In a copy that an application has forked: has no connections. With them, the
   server would not see that the process itself has ended. */
static void in_copy(void)
{
    const connection *c;

    wsgi_exchange_set_copy();
    for (c = all; c != NULL; c = c->next)
        if (c->socket >= 0)
            close(c->socket);
    close(ready);
    wsgi_bell_close(&end);
    pthread_mutex_unlock(&lock);
}

/* ---- Threads ---------------------------------------------------------- */

/* What a thread keeps may be in use by another one for long. Meanwhile another
   thread waits in this one's place. */
static void look_what_is_kept(void)
{
    pthread_mutex_lock(&lock);
    waiting--;
    if (waiting == 0)
        wake_one();
    pthread_mutex_unlock(&lock);
    wsgi_rest();
    pthread_mutex_lock(&lock);
    join();
    pthread_mutex_unlock(&lock);
}

/* Waits for a connection with something to read, or of which the server has
   closed its end. Returns NULL when the thread is to end. */
static connection *wait_for_one(int *is_closed)
{
    struct epoll_event event;
    int count;

    while ((count = epoll_wait(ready, &event, 1,
                               wsgi_reloads() ? REST_MS : FOR_EVER)) != 1) {
        if (count < 0 && errno != EINTR)
            return NULL;
        if (count == 0)
            look_what_is_kept();
    }
    *is_closed = (event.events & (EPOLLHUP | EPOLLERR)) != 0;
    return event.data.ptr;
}

static void *serve(void *unused)
{
    wsgi_room room = {0};
    connection *c;
    int is_closed;

    (void)unused;
    pthread_mutex_lock(&lock);
    join();
    pthread_mutex_unlock(&lock);
    while ((c = wait_for_one(&is_closed)) != NULL)
        if (take(c))
            give_back(c, !is_closed &&
                             wsgi_exchange_serve(&room, c->socket) == 0);
    free(room.packet);
    free(room.data);
    free(room.out.data);
    if (wsgi_atomic_sub(&running, 1, WSGI_ACQ_REL) == 0)
        last_has_ended();
    return NULL;
}

static int prepare(void)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    ready = wsgi_epoll_make();
    if (ready < 0 || wsgi_bell_make(&end) < 0 ||
        epoll_ctl(ready, EPOLL_CTL_ADD, end.heard, &event) < 0)
        return errno;
    wsgi_own_keep(ready);
    wsgi_own_keep(end.heard);
    wsgi_own_keep(end.rung);
    return pthread_atfork(before_fork, after_fork, in_copy);
}

int wsgi_crew_start(int threads, void (*ended)(void))
{
    int i, error = prepare();

    last_has_ended = ended;
    running = threads;
    for (i = 0; i < threads && error == 0; i++)
        error = wsgi_process_add_thread(serve, NULL, 0);
    return error;
}
