/*
 * group.c - connections with the processes of one user and name.
 *
 * Each child of the server keeps its own. The last one used is used first, so
 * those that are not needed stay idle, and are closed after a minute. A board
 * tells how busy a group's processes are. It is only a hint: what a process
 * writes there is not believed further than that.
 */
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trip.h"

#define BUCKETS 64
#define IDLE_SECONDS 60
#define MOST_IDLE 128 /* in one group */

/* Of a board, what the server needs: not the notes. */
#define BOARD_SIZE offsetof(wsgi_board, notes)

struct wsgi_group {
    wsgi_group *next;
    wsgi_ask ask; /* the first one, with the last number of processes */
    wsgi_connection *idle; /* the last used first */
    unsigned idle_count;
    unsigned connections;             /* idle and in use */
    const volatile wsgi_board *board; /* NULL: there is none */
    dev_t board_device;
    ino_t board_number;
    wsgi_closing closing; /* connections, and descriptors from them */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static wsgi_group *buckets[BUCKETS];
static unsigned swept;         /* the bucket that was looked through last */
static wsgi_connection *ended; /* their sockets are to be closed */

/* ---- Groups: the mutex is held ---------------------------------------- */

static wsgi_group **bucket_of(const wsgi_ask *ask)
{
    unsigned long long hash = wsgi_hash_add_text(WSGI_HASH_START, ask->name);

    hash = wsgi_hash_add_text(hash, ask->user);
    return &buckets[hash % BUCKETS];
}

static int is_for(const wsgi_group *group, const wsgi_ask *ask)
{
    return strcmp(group->ask.name, ask->name) == 0 &&
           strcmp(group->ask.user, ask->user) == 0 &&
           strcmp(group->ask.python, ask->python) == 0 &&
           group->ask.is_customer == ask->is_customer;
}

/* Finds a group, or makes it. Returns NULL when memory is out. */
static wsgi_group *find(const wsgi_ask *ask)
{
    wsgi_group **bucket = bucket_of(ask), *group = *bucket;

    while (group != NULL && !is_for(group, ask))
        group = group->next;
    if (group == NULL && (group = calloc(1, sizeof *group)) != NULL) {
        group->ask = *ask;
        group->next = *bucket;
        *bucket = group;
    }
    if (group != NULL)
        group->ask.processes = ask->processes;
    return group;
}

static void drop_board(wsgi_group *group)
{
    if (group->board != NULL)
        munmap((void *)(uintptr_t)group->board, BOARD_SIZE);
    group->board = NULL;
}

static void free_connection(wsgi_connection *connection)
{
    connection->group->connections--;
    wsgi_closing_add(&connection->group->closing, 1);
    connection->next = ended;
    ended = connection;
}

/* ---- Closing: the mutex is not held ----------------------------------- */

static void *close_all(void *list)
{
    wsgi_connection *connection = list, *next;

    for (; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->socket >= 0)
            close(connection->socket);
        wsgi_closing_add(&connection->group->closing, -1);
        free(connection);
    }
    return NULL;
}

/* Takes those of one group out of a list. */
static wsgi_connection *take_group(wsgi_connection **list,
                                   const wsgi_group *group)
{
    wsgi_connection *taken = NULL, *others = NULL, *connection, *next;

    for (connection = *list; connection != NULL; connection = next) {
        next = connection->next;
        if (connection->group == group) {
            connection->next = taken;
            taken = connection;
        } else {
            connection->next = others;
            others = connection;
        }
    }
    *list = others;
    return taken;
}

/* Closes in threads of their own. A process can have sent a descriptor whose
   close waits (SO_LINGER, FUSE), and closing the connection closes that. Then
   no request of others is to wait. */
static void close_elsewhere(wsgi_connection *list)
{
    wsgi_connection *one_group;

    while (list != NULL) {
        one_group = take_group(&list, list->group);
        if (wsgi_process_add_thread(close_all, one_group, 0) != 0)
            close_all(one_group);
    }
}

/* Releases the mutex. */
static void unlock(void)
{
    wsgi_connection *list = ended;

    ended = NULL;
    pthread_mutex_unlock(&mutex);
    close_elsewhere(list);
}

/* ---- Idle connections: the mutex is held ------------------------------ */

static void unlink_idle(wsgi_connection **at)
{
    wsgi_connection *connection = *at;

    *at = connection->next;
    connection->group->idle_count--;
}

/* Closes connections that have been idle for long. */
static void close_old(wsgi_group *group, time_t now)
{
    wsgi_connection **at = &group->idle, *connection;

    while ((connection = *at) != NULL)
        if (now - connection->since >= IDLE_SECONDS) {
            unlink_idle(at);
            free_connection(connection);
        } else {
            at = &connection->next;
        }
}

static int is_closed(const wsgi_group *group)
{
    return wsgi_atomic_load(&group->closing.count, WSGI_ACQUIRE) == 0;
}

/* Looks through another bucket each time, so that groups for which no request
   comes any more are forgotten, too. */
static void sweep(time_t now)
{
    wsgi_group **at = &buckets[++swept % BUCKETS], *group;

    while ((group = *at) != NULL) {
        close_old(group, now);
        if (group->connections == 0 && is_closed(group)) {
            *at = group->next;
            drop_board(group);
            free(group);
        } else {
            at = &group->next;
        }
    }
}

/* ---- Which process: the mutex is held --------------------------------- */

/* How many requests a process has beyond those that its threads serve; below
   0: it has free threads. */
static long load_of(const volatile wsgi_board_slot *slot)
{
    return (long)slot->busy - (long)slot->threads;
}

/* The slot of a connection's process, or NULL if nothing is known of it. */
static const volatile wsgi_board_slot *slot_of(const wsgi_connection *c)
{
    const volatile wsgi_board *board = c->group->board;

    if (board == NULL || c->slot >= WSGI_BOARD_SLOTS ||
        board->slots[c->slot].pid != c->pid)
        return NULL;
    return &board->slots[c->slot];
}

/* Whether the spawner may have a process with a free thread, or begin one. */
static int may_be_free(const wsgi_group *group)
{
    uint32_t i, processes = 0;

    if (group->board == NULL)
        return 0;
    for (i = 0; i < WSGI_BOARD_SLOTS; i++) {
        const volatile wsgi_board_slot *slot = &group->board->slots[i];

        if (slot->pid == 0 || slot->is_draining)
            continue;
        processes++;
        if (load_of(slot) < 0)
            return 1;
    }
    return processes < group->ask.processes;
}

/* How many requests its processes have; without a board, may have. */
static unsigned served_by(const wsgi_group *group)
{
    unsigned i, served = 0;

    if (group->board == NULL)
        return group->ask.processes * group->ask.threads;
    for (i = 0; i < WSGI_BOARD_SLOTS; i++)
        if (group->board->slots[i].pid != 0)
            served += group->board->slots[i].busy;
    return served;
}

/* There is no idle connection to a process with a free thread. The clients of
   others may be slow, and the processes have nothing to do. */
static void note_crowd(const wsgi_group *group, wsgi_crowd *crowd)
{
    crowd->waits = !may_be_free(group);
    crowd->served = served_by(group);
    crowd->of_child = group->connections - group->idle_count;
}

/* The place of an idle connection to a process with a free thread; or else of
   the least busy one, if no other process can be had. NULL: none. */
static wsgi_connection **choose(wsgi_group *group, wsgi_crowd *crowd)
{
    wsgi_connection **at = &group->idle, **best = NULL, *connection;
    long least = 0;

    while ((connection = *at) != NULL) {
        const volatile wsgi_board_slot *slot = slot_of(connection);

        if (slot == NULL || (!slot->is_draining && load_of(slot) < 0))
            return at;
        if (slot->is_draining) {
            unlink_idle(at);
            free_connection(connection);
            continue;
        }
        if (best == NULL || load_of(slot) < least) {
            best = at;
            least = load_of(slot);
        }
        at = &connection->next;
    }
    note_crowd(group, crowd);
    return best != NULL && !may_be_free(group) ? best : NULL;
}

static wsgi_connection *new_connection(wsgi_group *group)
{
    wsgi_connection *connection = calloc(1, sizeof *connection);

    if (connection == NULL)
        return NULL;
    connection->group = group;
    connection->socket = -1;
    connection->is_fresh = 1;
    group->connections++;
    return connection;
}

wsgi_connection *wsgi_group_take(const wsgi_ask *ask, wsgi_crowd *crowd)
{
    time_t now = wsgi_seconds();
    wsgi_connection **at, *connection = NULL;
    wsgi_group *group;

    crowd->waits = crowd->hangs = 0;
    pthread_mutex_lock(&mutex);
    sweep(now);
    group = find(ask);
    if (group != NULL)
        crowd->hangs = wsgi_closing_hangs(&group->closing);
    if (group != NULL && !crowd->hangs) {
        close_old(group, now);
        at = choose(group, crowd);
        connection = at != NULL ? *at : new_connection(group);
        if (at != NULL)
            unlink_idle(at);
    }
    unlock();
    return connection;
}

wsgi_closing *wsgi_group_closing(const wsgi_connection *connection)
{
    return &connection->group->closing;
}

void wsgi_group_keep(wsgi_connection *connection)
{
    wsgi_group *group = connection->group;

    pthread_mutex_lock(&mutex);
    if (group->idle_count < MOST_IDLE) {
        connection->since = wsgi_seconds();
        connection->next = group->idle;
        group->idle = connection;
        group->idle_count++;
    } else {
        free_connection(connection);
    }
    unlock();
}

void wsgi_group_close(wsgi_connection *connection)
{
    pthread_mutex_lock(&mutex);
    free_connection(connection);
    unlock();
}

int wsgi_group_is_full(const wsgi_connection *connection)
{
    const volatile wsgi_board_slot *slot;
    int is_full;

    pthread_mutex_lock(&mutex);
    slot = slot_of(connection);
    is_full = slot != NULL && load_of(slot) >= 0;
    pthread_mutex_unlock(&mutex);
    return is_full;
}

/* ---- The board -------------------------------------------------------- */

/* Maps a board unless the group has it already. The mutex is held. */
static void take_board(wsgi_group *group, int fd)
{
    struct stat info;
    void *memory;

    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode) ||
        info.st_size < (off_t)BOARD_SIZE ||
        (group->board != NULL && group->board_device == info.st_dev &&
         group->board_number == info.st_ino))
        return;
    memory = mmap(NULL, BOARD_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return;
    drop_board(group);
    group->board = memory;
    group->board_device = info.st_dev;
    group->board_number = info.st_ino;
}

void wsgi_group_note(wsgi_connection *connection, const wsgi_wire_given *given,
                     int board)
{
    connection->is_fresh = 0;
    connection->pid = given->pid;
    connection->slot = given->slot;
    if (board < 0)
        return;
    pthread_mutex_lock(&mutex);
    take_board(connection->group, board);
    pthread_mutex_unlock(&mutex);
    close(board);
}
