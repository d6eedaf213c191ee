/*
 * board.c - how busy a group's processes are.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "compat.h"
#include "spawner.h"

static int open_again(int fd)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return wsgi_fd_open(path, O_RDONLY);
}

void wsgi_board_open(wsgi_board_file *file)
{
    void *memory;

    memset(file, 0, sizeof *file);
    file->read_only = -1;
    file->fd = wsgi_sealed_memory("mod_wsgi board", sizeof(wsgi_board));
    if (file->fd < 0)
        return;
    file->read_only = open_again(file->fd);
    memory = mmap(NULL, sizeof(wsgi_board), PROT_READ | PROT_WRITE, MAP_SHARED,
                  file->fd, 0);
    if (file->read_only >= 0 && memory != MAP_FAILED) {
        file->board = memory;
        return;
    }
    if (memory != MAP_FAILED)
        munmap(memory, sizeof(wsgi_board));
    wsgi_board_close(file);
}

void wsgi_board_close(wsgi_board_file *file)
{
    if (file->board != NULL)
        munmap((void *)(uintptr_t)file->board, sizeof(wsgi_board));
    if (file->read_only >= 0)
        close(file->read_only);
    if (file->fd >= 0)
        close(file->fd);
    file->board = NULL;
    file->fd = file->read_only = -1;
}

int wsgi_board_take(wsgi_board_file *file)
{
    int i;

    for (i = 0; file->board != NULL && i < WSGI_BOARD_SLOTS; i++)
        if (!file->used[i]) {
            file->used[i] = 1;
            file->board->slots[i] = (wsgi_board_slot){.pid = 0};
            return i;
        }
    return -1;
}

void wsgi_board_give_back(wsgi_board_file *file, int slot)
{
    if (slot < 0)
        return;
    file->board->slots[slot] = (wsgi_board_slot){.is_draining = 1};
    file->used[slot] = 0;
}

unsigned wsgi_board_busy(const wsgi_board_file *file, int slot)
{
    return slot < 0 ? 0 : file->board->slots[slot].busy;
}

void wsgi_board_set_draining(wsgi_board_file *file, int slot)
{
    if (slot >= 0)
        file->board->slots[slot].is_draining = 1;
}

long long wsgi_board_used(const wsgi_board_file *file, int slot)
{
    long long now = wsgi_loop_now(), used;

    if (slot < 0 || file->board->slots[slot].last == 0)
        return 0;
    used = file->board->slots[slot].last * 1000LL + 999;
    return used < now ? used : now;
}
