/*
 * ask.h - what the server's processes, the spawner and the applications'
 * processes agree on, beside the frames of wire.h.
 *
 * Plain POSIX. Neither Python, a server's headers, nor the core.
 */
#ifndef WSGI_ASK_H
#define WSGI_ASK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* Of all that is said between the three programs. The spawner of another
   version is replaced when the server restarts. */
#define WSGI_PROTOCOL 4

/* ---- The ask socket: from the server to the spawner. --------------------

   One packet is one wsgi_ask. Sent by a child of the server, two descriptors
   come along: the end of a new connection, which is for the application's
   process, then the log of the virtual host, if that has a descriptor. Sent by
   the server's parent, it is a WSGI_ASK_RESTART. The only descriptor is the
   main server's log then. user and name are "#" and the numbers of the user
   and the group of the server's children. A WSGI_ASK_OVERDUE is sent by a
   child and has no descriptor. The spawner has its end of the ask socket as
   descriptor 3. */

#define WSGI_ASK_FD 3

enum wsgi_ask_kind {
    WSGI_ASK_CONNECT = 1,
    WSGI_ASK_RESTART, /* believed of root, or of the user whose server it is */
    WSGI_ASK_OVERDUE  /* a process of that user and name has not answered a
                         request within timeout: it is to be replaced */
};

#define WSGI_ASK_NAME 255 /* the longest name of a process, and of a user */

typedef struct wsgi_ask {
    uint32_t protocol; /* WSGI_PROTOCOL */
    uint32_t kind;
    uint32_t processes;   /* the most, 1 to 64 */
    uint32_t threads;     /* of each, 1 to 64 */
    uint32_t is_customer; /* the user has asked, by .htaccess: user is "#" and
                             a number; all that runs must be that user's */
    uint32_t timeout;     /* seconds; 0: no bound, as in the next two */
    uint32_t idle;        /* seconds */
    uint32_t memory;      /* MB */
    uint32_t configuration;       /* of WSGI_ASK_RESTART: tells the server's
                                     configuration from others; 0: not known */
    uint32_t process;             /* of WSGI_ASK_OVERDUE: its number */
    char user[WSGI_ASK_NAME + 1]; /* a name, "#1000", or "": the server's */
    char python[16];              /* "3.11", or "": the default */
    char name[WSGI_ASK_NAME + 1]; /* of the process */
} wsgi_ask;

/* ---- The control socket: between the spawner and a process. --------------

   The process has its end as descriptor 3. A packet is one wsgi_control. What
   the process says are single bytes in a pipe, its descriptor 5, and not
   packets. A packet could bring a descriptor whose close waits (SO_LINGER,
   FUSE), and the spawner would be held up. */

enum wsgi_control {
    WSGI_CONTROL_CONNECTION = 'c', /* to the process; a descriptor comes along:
                                      one end of a connection */
    WSGI_CONTROL_DRAIN = 'd',      /* to the process: end when no request is
                                      under way; close connections without one
                                      at once. To the spawner: the process does
                                      so by itself, and gets no more */
    WSGI_CONTROL_READY = 'r',      /* to the spawner: takes connections */
    WSGI_CONTROL_USED = 'u', /* to the spawner, where there is no board: has
                               requests, or has had some since the last time */
    WSGI_CONTROL_STALE = 's' /* to the spawner: has grown too large, and
                                is to be replaced */
};

#define WSGI_CONTROL_FD 3
#define WSGI_BOARD_FD 4
#define WSGI_NEWS_FD 5

/* What a process writes to its descriptors 1 and 2 are lines for the log. A
   line may begin with its level as for systemd: "<3>" for an error, "<4>" for
   a warning, else it is a notice. */

/* The arguments of a process's program, in this order. */
enum wsgi_argument {
    WSGI_ARGUMENT_TITLE =
        1, /* "alice/shop": for people, in ps and in the log */
    WSGI_ARGUMENT_THREADS,
    WSGI_ARGUMENT_PROCESSES,     /* the most there may be */
    WSGI_ARGUMENT_CUSTOMER,      /* 1: is_customer; else 0 */
    WSGI_ARGUMENT_SERVER,        /* the user number of the server's children */
    WSGI_ARGUMENT_SLOT,          /* on the board; -1: there is no board */
    WSGI_ARGUMENT_CONFIGURATION, /* of the server; 0: not known */
    WSGI_ARGUMENT_PATIENCE, /* how many seconds the process may load before it
                               is ready; 0: it loads nothing */
    WSGI_ARGUMENT_MEMORY,   /* MB: it is to be replaced if it has more; 0: any
                               size will do */
    WSGI_ARGUMENT_COUNT
};

/* ---- Programs. ----------------------------------------------------------

   Why the user that starts the server must not run a program, or NULL. Others
   could have put something else into it. Pure. */
static inline const char *wsgi_ask_distrust(const struct stat *program,
                                            uid_t starter)
{
    if (program->st_uid != 0 && program->st_uid != starter)
        return "it must belong to root";
    return program->st_mode & S_IWOTH ? "everybody can write to it" : NULL;
}

/* ---- The board: how busy the processes of a group are. -------------------

   Memory that a group's processes write, and that the server's children and
   the spawner read. It is a hint only. A process that lies there harms its own
   group. The notes are what processes leave for those that begin after them;
   nobody else reads them. */

#define WSGI_BOARD_SLOTS 64
#define WSGI_BOARD_NOTES 65536

typedef struct wsgi_board_slot {
    uint32_t pid; /* 0: nobody */
    uint32_t threads;
    uint32_t busy; /* requests under way, those that wait included */
    uint32_t is_draining;
    uint32_t last; /* when its last request has ended: seconds of a clock that
                      only goes forward; 0: there was none */
    uint32_t unused[11]; /* a slot has a cache line to itself */
} wsgi_board_slot;

typedef struct wsgi_board {
    wsgi_board_slot slots[WSGI_BOARD_SLOTS];
    char notes[WSGI_BOARD_NOTES];
} wsgi_board;

#endif
