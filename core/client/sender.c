/*
 * sender.c - a thread that sends small pieces of a response while the
 * application makes the next ones.
 *
 * PEP 3333, "Buffering and Streaming", has each block on its way before the
 * next is asked for, or lets a server "use a different thread to ensure that
 * the block continues to be transmitted while the application produces the
 * next block". Many pieces in a row would otherwise cost a system call each,
 * and a change of hands of Python's lock. Here a piece is copied, and the
 * thread sends what has come together since it last did; when the request has
 * something else to do with its client it takes back what is left.
 *
 * A process has one such thread, made for the first piece. It has one request
 * at a time, and waits for no client within the host: who finds it taken, or
 * has a client that is slow, sends without it.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "client.h"

/* What may come together: more than that waits for the client. */
#define ROOM 16384

/* Between two looks whether a slow client takes more. */
#define PAUSE_MS 10

/* How long wsgi_sender_stop waits for what is being sent. */
#define PATIENCE_MS 200

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t given = PTHREAD_COND_INITIALIZER;
static pthread_cond_t rested = PTHREAD_COND_INITIALIZER;

/* The one whose pieces are here, or NULL. Set with the lock held; atomic, for
   it is looked at without: only a thread that may call the host for a request
   makes it that request. */
static const wsgi_request *served;

/* Under the lock. */
static char rooms[2][ROOM];
static int filling;   /* the room for pieces; the other one is being sent */
static size_t filled; /* how much of it */

/* Atomic: a signal's handler looks at the one and sets the other. */
static int is_busy; /* the thread uses the request's record; set with the lock
                       held */
static int is_stopped;

static int serves(const wsgi_request *request)
{
    return __atomic_load_n(&served, __ATOMIC_ACQUIRE) == request;
}

static void serve(const wsgi_request *request)
{
    __atomic_store_n(&served, request, __ATOMIC_RELEASE);
}

static void set_busy(int now)
{
    __atomic_store_n(&is_busy, now, __ATOMIC_SEQ_CST);
}

static int may_send(void)
{
    return !__atomic_load_n(&is_stopped, __ATOMIC_SEQ_CST);
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

/* Goes on to the other room; returns what is in this one. */
static wsgi_chunk swap_rooms(void)
{
    wsgi_chunk chunk = {rooms[filling], filled};

    filling = !filling;
    filled = 0;
    return chunk;
}

static void pause_for(long milliseconds)
{
    const struct timespec time = {.tv_nsec = milliseconds * WSGI_MS};

    nanosleep(&time, NULL);
}

/* ---- The thread ------------------------------------------------------- */

/* Sends what has come together, if that does not wait for the client; the lock
   is released meanwhile. Returns whether it did. */
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
            filled = 0; /* the request hears of it when it sends the next */
    }
    set_busy(0);
    if (filled == 0)
        serve(NULL);
    pthread_cond_signal(&rested);
    return ready;
}

static void *send_pieces(void *unused)
{
    static const struct sched_param none = {.sched_priority = 0};

    (void)unused;
    /* Not to interrupt the application where it has made but one piece: there
       are a tenth to a quarter more requests per second where processors are
       short. */
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
    while (may_send()) {
        int was_ready;

        pthread_mutex_lock(&lock);
        while (filled == 0)
            pthread_cond_wait(&given, &lock);
        was_ready = send_filled();
        pthread_mutex_unlock(&lock);
        if (!was_ready)
            pause_for(PAUSE_MS);
    }
    return NULL;
}

/* Whether there is a thread; makes it. Where the system has none to give it is
   asked again once a second. */
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

/* Whether the thread serves this request, or could. */
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

/* Waits until the thread has nothing to do with the request, and returns what
   it has not sent: in a room that nobody fills before let_go. */
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

    if (both[0].size > 0 && count <= 1) { /* in one call of the host */
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

    __atomic_store_n(&is_stopped, 1, __ATOMIC_SEQ_CST);
    for (i = 0; i < PATIENCE_MS; i++) {
        if (!__atomic_load_n(&is_busy, __ATOMIC_SEQ_CST))
            return;
        pause_for(1);
    }
}
