/*
 * sender.c - a thread that sends small pieces of a response while the
 * application makes the next ones.
 *
 * PEP 3333, "Buffering and Streaming", wants each block sent before the next
 * is asked for. Or a server may "use a different thread to ensure that the
 * block continues to be transmitted while the application produces the next
 * block". This file is that thread. Without it, each small piece costs a
 * system call, and Python's lock is released and taken again. Here a request
 * only copies its piece, and the thread sends all that has gathered since it
 * last sent. When the request needs its client for something else, the request
 * takes back what is left and sends it.
 *
 * A process has one such thread, made for the first piece. The thread serves
 * one request at a time, and never waits for a client inside the host. A
 * request that finds the thread taken, or whose client is slow, sends for
 * itself.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "client.h"

/* How much may gather. A request with more sends for itself, and waits for its
   client. */
#define ROOM 16384

/* How long the thread waits before it asks again whether a slow client is
   ready. */
#define PAUSE_MS 10

/* How long wsgi_sender_stop waits for a piece that is being sent. */
#define PATIENCE_MS 200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given = PTHREAD_COND_INITIALIZER;
static pthread_cond_t rested = PTHREAD_COND_INITIALIZER;

/* The request whose pieces are here, or NULL. Set with the lock held, but read
   without, so it is atomic. A request may trust that its own answer does not
   change meanwhile: only the thread that may call the host for a request sets
   it to that request. */
static const wsgi_request *served;

/* The lock guards these. */
static char rooms[2][ROOM];
static int filling;   /* the room that pieces go to; the other is being sent */
static size_t filled; /* how much of that room is full */

/* Atomic: a signal handler reads the first and sets the second. */
static int is_busy; /* the thread uses the request; set with the lock held */
static int is_stopped;

static int serves(const wsgi_request *request)
{
    return wsgi_atomic_load(&served, WSGI_ACQUIRE) == request;
}

static void serve(const wsgi_request *request)
{
    wsgi_atomic_store(&served, request, WSGI_RELEASE);
}

static void set_busy(int now)
{
    wsgi_atomic_store(&is_busy, now, WSGI_SEQ_CST);
}

static int may_send(void)
{
    return !wsgi_atomic_load(&is_stopped, WSGI_SEQ_CST);
}

static int send_body(const wsgi_request *request, const wsgi_chunk *chunks,
                     size_t count, enum wsgi_after after)
{
    return wsgi_process_given.host->send_body(request->record, chunks, count,
                                              after);
}

static int is_ready(const wsgi_request *request)
{
    return wsgi_process_given.host->is_ready(request->record);
}

/* Returns what is in the room being filled, and lets the other be filled. */
static wsgi_chunk swap_rooms(void)
{
    wsgi_chunk chunk = {rooms[filling], filled};

    filling = !filling;
    filled = 0;
    return chunk;
}

static void pause_for(long nanoseconds)
{
    const struct timespec time = {.tv_nsec = nanoseconds};

    nanosleep(&time, NULL);
}

/* ---- The thread ------------------------------------------------------- */

/* Sends what has gathered, if the client is ready. The caller holds the lock,
   which is released meanwhile. Returns whether the client was ready. */
static int send_filled(void)
{
    const wsgi_request *request = served;
    int ready;

    set_busy(1);
    pthread_mutex_unlock(&lock);
    ready = may_send() && is_ready(request) != 0;
    pthread_mutex_lock(&lock);
    if (ready) {
        wsgi_chunk chunk = swap_rooms();
        int result;

        pthread_mutex_unlock(&lock);
        result = send_body(request, &chunk, 1, WSGI_FLUSH);
        pthread_mutex_lock(&lock);
        if (result < 0)
            filled = 0; /* the request's next send will fail, too */
    }
    set_busy(0);
    if (filled == 0)
        serve(NULL);
    pthread_cond_signal(&rested);
    return ready;
}

/* Gives more pieces time to come, if each send is dear to the host. The caller
   holds the lock, which is released meanwhile. */
static void let_gather(void)
{
    long nanoseconds = wsgi_process_given.host->gather_ns;

    if (nanoseconds == 0)
        return;
    pthread_mutex_unlock(&lock);
    pause_for(nanoseconds);
    pthread_mutex_lock(&lock);
}

static void *send_pieces(void *unused)
{
    static const struct sched_param none = {.sched_priority = 0};

    (void)unused;
    /* The thread is not to interrupt an application that has made only one
       piece. With few processors this gives 10 to 25 % more requests per
       second. */
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    while (may_send()) {
        int was_ready;

        pthread_mutex_lock(&lock);
        while (filled == 0)
            pthread_cond_wait(&given, &lock);
        let_gather();
        was_ready = filled == 0 || send_filled(); /* 0: taken back */
        pthread_mutex_unlock(&lock);
        if (!was_ready)
            pause_for(PAUSE_MS * WSGI_MS);
    }
    return NULL;
}

/* Makes the thread, if there is none. Returns whether there is one. After a
   failure tries again at most once a second. */
static int start(void)
{
    static int is_running;
    static time_t tried;
    time_t now;

    if (is_running)
        return 1;
    now = time(NULL);
    if (now != tried)
        is_running = wsgi_process_add_thread(send_pieces, NULL, 0) == 0;
    tried = now;
    return is_running;
}

/* ---- For its request -------------------------------------------------- */

/* Whether the thread serves this request, or is free to. */
static int is_free_for(const wsgi_request *request)
{
    if (wsgi_process_given.host->is_ready == NULL || !may_send())
        return 0;
    return serves(request) || (serves(NULL) && is_ready(request) > 0);
}

int wsgi_sender_give(const wsgi_request *request, const wsgi_chunk *chunk)
{
    int is_taken = 0;

    if (chunk->size > ROOM || !is_free_for(request))
        return -1;
    pthread_mutex_lock(&lock);
    if (served == NULL && start())
        serve(request);
    if (served == request && chunk->size <= ROOM - filled) {
        memcpy(rooms[filling] + filled, chunk->data, chunk->size);
        if (filled == 0 && !is_busy)
            pthread_cond_signal(&given);
        filled += chunk->size;
        is_taken = 1;
    }
    pthread_mutex_unlock(&lock);
    return is_taken ? 0 : -1;
}

/* Waits until the thread no longer uses the request. Returns what the thread
   has not sent. That memory stays as it is until let_go. */
static wsgi_chunk take_back(const wsgi_request *request)
{
    wsgi_chunk rest = {NULL, 0};

    if (!serves(request))
        return rest;
    pthread_mutex_lock(&lock);
    while (serves(request) && is_busy)
        pthread_cond_wait(&rested, &lock);
    if (serves(request))
        rest = swap_rooms();
    pthread_mutex_unlock(&lock);
    return rest;
}

static void let_go(const wsgi_request *request)
{
    if (!serves(request))
        return;
    pthread_mutex_lock(&lock);
    serve(NULL);
    pthread_mutex_unlock(&lock);
}

int wsgi_sender_finish(const wsgi_request *request)
{
    wsgi_chunk rest = take_back(request);
    int result = 0;

    if (rest.size > 0)
        result = send_body(request, &rest, 1, WSGI_FLUSH);
    let_go(request);
    return result;
}

int wsgi_sender_send(const wsgi_request *request, const wsgi_chunk *chunks,
                     size_t count, enum wsgi_after after)
{
    wsgi_chunk both[2] = {take_back(request)};
    int result = 0;

    if (both[0].size > 0 && count <= 1) { /* both in one call of the host */
        if (count > 0)
            both[1] = chunks[0];
        chunks = both;
        count++;
    } else if (both[0].size > 0) {
        result = send_body(request, both, 1, WSGI_FLUSH);
    }
    if (result == 0)
        result = send_body(request, chunks, count, after);
    let_go(request);
    return result;
}

/* ---- The process ------------------------------------------------------ */

void wsgi_sender_stop(void)
{
    int i;

    wsgi_atomic_store(&is_stopped, 1, WSGI_SEQ_CST);
    for (i = 0; i < PATIENCE_MS; i++) {
        if (!wsgi_atomic_load(&is_busy, WSGI_SEQ_CST))
            return;
        pause_for(WSGI_MS);
    }
}
