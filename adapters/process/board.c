/*
 * board.c - tells the server's children how busy this process is, and the
 * spawner when it was used.
 *
 * Where there is no board, the process counts for itself, and tells the
 * spawner now and then whether it was used.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/request/notes.h"
#include "process.h"

/* The room for notes, which the spawner makes without knowing them. */
typedef char notes_fit[sizeof(wsgi_notes) <= WSGI_BOARD_NOTES ? 1 : -1];

static wsgi_board_slot own; /* while there is no board */
static wsgi_board_slot *mine = &own;

/* Whether the file is as large as a board. */
static int is_board(void)
{
    struct stat info;

    return fstat(WSGI_BOARD_FD, &info) == 0 &&
           info.st_size >= (off_t)sizeof(wsgi_board);
}

void wsgi_board_open(int slot, int threads, uint32_t configuration)
{
    wsgi_board *board;

    if (slot < 0 || slot >= WSGI_BOARD_SLOTS || !is_board())
        return;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED,
                 WSGI_BOARD_FD, 0);
    if (board == MAP_FAILED)
        return;
    close(WSGI_BOARD_FD);
    mine = &board->slots[slot];
    mine->threads = (uint32_t)threads;
    mine->busy = 0;
    if (configuration != 0 && WSGI_ATOMIC_IS_SHARED)
        wsgi_notes_open((wsgi_notes *)(void *)board->notes, configuration);
    wsgi_atomic_store(&mine->pid, (uint32_t)getpid(), WSGI_RELEASE);
}

int wsgi_board_is_there(void)
{
    return mine != &own;
}

void wsgi_board_begin(void)
{
    wsgi_atomic_add(&mine->busy, 1U, WSGI_RELAXED);
}

void wsgi_board_end(void)
{
    wsgi_atomic_store(&mine->last, (uint32_t)wsgi_seconds(), WSGI_RELAXED);
    wsgi_atomic_sub(&mine->busy, 1U, WSGI_RELEASE);
}

void wsgi_board_set_draining(void)
{
    wsgi_atomic_store(&mine->is_draining, 1U, WSGI_RELAXED);
}

int wsgi_board_was_used(void)
{
    static uint32_t seen;
    uint32_t last = wsgi_atomic_load(&mine->last, WSGI_RELAXED);
    int was = last != seen || wsgi_atomic_load(&mine->busy, WSGI_RELAXED) > 0;

    seen = last;
    return was;
}
