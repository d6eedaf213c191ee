/*
 * board.c - tells the server's children how busy this process is.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "process.h"

static wsgi_board_slot *mine; /* NULL: there is no board */

void wsgi_board_open(int slot, int threads)
{
    wsgi_board *board;

    if (slot < 0 || slot >= WSGI_BOARD_SLOTS)
        return;
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED,
                 WSGI_BOARD_FD, 0);
    if (board == MAP_FAILED)
        return;
    close(WSGI_BOARD_FD);
    mine = &board->slots[slot];
    mine->threads = (uint32_t)threads;
    mine->busy = 0;
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
