/*
 * board.c - tells the server's children how busy this process is, and the
 * spawner when it was used.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "../../core/request/notes.h"
#include "process.h"

/* The room for notes, which the spawner makes without knowing them. */
typedef char notes_fit[sizeof(wsgi_notes) <= WSGI_BOARD_NOTES ? 1 : -1];

static wsgi_board_slot *mine; /* NULL: there is no board */

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
    if (configuration != 0)
        wsgi_notes_open((wsgi_notes *)(void *)board->notes, configuration);
    __atomic_store_n(&mine->pid, (uint32_t)getpid(), __ATOMIC_RELEASE);
}

void wsgi_board_count(int difference)
{
    if (mine != NULL)
        __atomic_add_fetch(&mine->busy, (uint32_t)difference,
                           __ATOMIC_RELAXED);
}

void wsgi_board_set_draining(void)
{
    if (mine != NULL)
        __atomic_store_n(&mine->is_draining, 1U, __ATOMIC_RELAXED);
}

void wsgi_board_look(void)
{
    if (mine != NULL && wsgi_notes_look())
        __atomic_store_n(&mine->last, (uint32_t)time(NULL), __ATOMIC_RELAXED);
}
