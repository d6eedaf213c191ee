/*
 * spawner.h - the program mod_wsgi-spawner: starts the processes in which
 * applications run, each as its user.
 *
 * The server's parent starts it, and it lives until the last process of that
 * server has gone. It serves no request. A server's child asks it for a
 * process (../adapters/wire/ask.h), and then talks to that process without it.
 *
 * One thread does everything but writing to logs. It never waits for anyone:
 * it sends without waiting, and looks users up in the processes that it forks.
 *
 * A function's prefix names its file: wsgi_group_ask is in group.c. Functions
 * are called by the main thread unless they say otherwise.
 */
#ifndef WSGI_SPAWNER_H
#define WSGI_SPAWNER_H

#include <limits.h>
#include <stddef.h>
#include <sys/types.h>

#include "../adapters/wire/ask.h"
#include "../adapters/wire/frames.h"
#include "../adapters/wire/ceilings.h"

/* ---- main.c: what holds for the whole program. -------------------------- */

typedef struct wsgi_spawner {
    char folder[PATH_MAX];  /* of the processes' programs */
    long long user, group;  /* of the server's children */
    uint32_t configuration; /* of the server; 0: not known */
    int is_root;
    wsgi_ceilings ceilings;
} wsgi_spawner;

extern wsgi_spawner wsgi_spawner_is;

/* The ask socket has ended: no process of the server is left. */
void wsgi_main_end(void);

/* ---- loop.c: waits for descriptors. ------------------------------------- */

typedef void wsgi_ready(void *arg);

/* Calls ready(arg) whenever fd can be read or has ended, until
   wsgi_loop_remove. Returns 0, or -1 when memory is out. */
int wsgi_loop_add(int fd, wsgi_ready *ready, void *arg);
void wsgi_loop_remove(int fd);

/* Waits for at most so many milliseconds, -1: for ever. Calls one ready. */
void wsgi_loop_turn(int milliseconds);

/* A clock that only goes forward, in milliseconds. */
long long wsgi_loop_now(void);

/* ---- log.c: writes lines to logs, in a thread of its own. --------------- */

#define WSGI_LOG_LINE_SIZE 5120 /* what a line has beyond that is left out */

/* A log's descriptor, counted. NULL is the main server's log. */
typedef struct wsgi_log wsgi_log;

enum wsgi_log_level { WSGI_LOG_ERROR, WSGI_LOG_WARNING, WSGI_LOG_NOTICE };

/* Starts the thread. Returns 0, or an errno. */
int wsgi_log_start(void);

/* Takes a descriptor over. Returns NULL, with the descriptor closed, when
   memory is out. */
wsgi_log *wsgi_log_open(int fd);

/* Gives a log up. Its descriptor is closed when its last line is written. */
void wsgi_log_close(wsgi_log *log);

/* Writes a line. Bytes that are not printable are shown as \xNN. Never waits:
   lines are left out, and counted, when the log takes no more. */
void wsgi_log_line(wsgi_log *log, enum wsgi_log_level level, const char *line,
                   size_t size);
/* The same, prefixed with "mod_wsgi: ". The format begins with a code, as that
   of the core's wsgi_log. */
void wsgi_log_say(wsgi_log *log, enum wsgi_log_level level, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

/* Waits until all lines are written, for at most so many milliseconds. */
void wsgi_log_flush(int milliseconds);

/* ---- lines.c: what a process writes to its descriptors 1 and 2. --------- */

#define WSGI_LINES_SIZE 4096 /* a longer line becomes several */

typedef struct wsgi_lines {
    char text[WSGI_LINES_SIZE];
    size_t size;
    char last[512];   /* the last line that was not empty, nor ours */
    long long second; /* when it began to count */
    unsigned count, left_out;
} wsgi_lines;

/* Reads once from a pipe, and writes whole lines to the log, prefixed. At most
   100 lines in a second. Returns 1, or 0 if there is nothing to read now, or
   -1 at the end. */
int wsgi_lines_read(wsgi_lines *lines, int fd, wsgi_log *log,
                    const char *title, long pid);

/* Writes what is left of an unfinished line, and how many were left out. */
void wsgi_lines_end(wsgi_lines *lines, wsgi_log *log, const char *title,
                    long pid);

/* ---- packet.c: sends, and never waits. ---------------------------------- */

/* Sends a packet, and a descriptor unless fd is -1. Returns 0, or -1 with
   errno. */
int wsgi_packet_send(int socket, const void *data, size_t size, int fd);

/* Says on a new connection that no process will have its other end. */
void wsgi_packet_refuse(int connection, int status, int retry_after,
                        const char *line);

/* Says on a new connection which process gets its other end. */
void wsgi_packet_given(int connection, long pid, int slot, int board);

/* ---- board.c: how busy a group's processes are. ------------------------- */

/* Where the kernel has no sealed memory there is no board: all is -1 or NULL.
   is_draining and the numbers of a slot are a hint: its process can write
   them. */
typedef struct wsgi_board_file {
    volatile wsgi_board *board;
    int fd;        /* for the processes */
    int read_only; /* for the server's children */
    char used[WSGI_BOARD_SLOTS];
} wsgi_board_file;

void wsgi_board_open(wsgi_board_file *file);
void wsgi_board_close(wsgi_board_file *file);

/* Takes a free slot and empties it. Returns its number, or -1. */
int wsgi_board_take(wsgi_board_file *file);
void wsgi_board_give_back(wsgi_board_file *file, int slot);

/* How many requests that slot's process says it has; 0 for slot -1. */
unsigned wsgi_board_busy(const wsgi_board_file *file, int slot);
void wsgi_board_set_draining(wsgi_board_file *file, int slot);

/* When that slot's process says that its last request has ended, by
   wsgi_loop_now. 0: there was none, or there is no board. */
long long wsgi_board_used(const wsgi_board_file *file, int slot);

/* ---- ask.c: the ask socket. --------------------------------------------- */

/* Begins to read asks. Returns 0, or -1 with errno. */
int wsgi_ask_start(void);

/* The number behind "#", which an ask has in place of a user's or group's
   name. -1: there is none. */
long long wsgi_ask_number(const char *text);

/* ---- group.c: the processes of one user that share a name. -------------- */

typedef struct wsgi_worker wsgi_worker;
typedef struct wsgi_group wsgi_group;

/* Takes over an ask that was checked: its connection, and its log (-1: none).
   is_bounded: the limits of customers hold for what is asked. */
void wsgi_group_ask(const wsgi_ask *ask, int is_bounded, int connection,
                    int log);

/* A process has not answered a request in time: another takes its place. Of a
   process that the ask's group does not have, nothing is believed. */
void wsgi_group_replace(const wsgi_ask *ask, int is_bounded);

/* The server has restarted: every group gets fresh processes. */
void wsgi_group_restart(void);

/* Every process is to end, and is killed when this time is over. */
void wsgi_group_end(int milliseconds);

/* Does what is due by now. Returns in how many milliseconds something will be,
   or -1: only when something happens. */
int wsgi_group_tick(void);

/* Whether any process is left. */
int wsgi_group_any(void);

/* The first of all groups; the others are behind its next. */
wsgi_group *wsgi_group_first(void);

/* Forgets a process that has ended, and says why. status is waitpid's. */
void wsgi_group_reap(pid_t pid, int status);

/* A process takes connections now. */
void wsgi_group_worker_ready(wsgi_worker *worker);

/* ---- worker.c: one process. --------------------------------------------- */

/* What a forked process tells before it has become the program. status 0: text
   is its title. */
typedef struct wsgi_report {
    int status; /* of HTTP */
    char text[1020];
} wsgi_report;

struct wsgi_worker {
    wsgi_worker *next;
    wsgi_group *group;
    pid_t pid;
    int slot;    /* on the board, or -1 */
    int control; /* socket, which it can't send to; -1: closed */
    int news;    /* pipe: what it says; -1: closed */
    int output;  /* pipe: its descriptors 1 and 2; -1: closed */
    int reports; /* pipe: closed when the program runs */
    int is_ready, is_draining, is_killed;
    int is_old;             /* began before the server's last restart, or has
                               grown too large */
    int patience;           /* seconds for loads before it is ready */
    uint32_t configuration; /* of the server, when it began */
    long long started, ready_at, recent_since;
    long long given_at, told_used; /* last time; 0: never */
    long long drained_at;          /* told to end */
    long long quiet_since;         /* since then it drains without requests */
    long long hangs_since;         /* 0: it answers */
    long long mute_since;          /* its news have ended; 0: they have not */
    long long stays_until; /* though it has grown too large; 0: it has not */
    unsigned given;        /* connections */
    unsigned recent, busy_before; /* given since then, busy by then */
    wsgi_report report; /* why it could not start; status 0: it could */
    wsgi_lines lines;
};

/* Forks a process for a group. It may load applications for so many seconds
   before it is ready. Returns it, or NULL with a line in why. */
wsgi_worker *wsgi_worker_start(wsgi_group *group, int patience, char *why,
                               size_t size);

/* Closes what belongs to a process that has ended, and frees it. */
void wsgi_worker_free(wsgi_worker *worker);

/* Reads all that an ended process has left in its pipes. */
void wsgi_worker_read_rest(wsgi_worker *worker);

/* Hands over a connection, which stays the caller's. Returns 0, or -1. */
int wsgi_worker_give(wsgi_worker *worker, int connection);

/* Asks it to end when no request is under way. */
void wsgi_worker_drain(wsgi_worker *worker);

/* The same for one that does not answer. It tells first what it does. */
void wsgi_worker_give_up(wsgi_worker *worker);

/* How many requests it has, as far as is known. */
unsigned wsgi_worker_busy(const wsgi_worker *worker);

/* When it was used last, as far as is known: by wsgi_loop_now. 0: never. */
long long wsgi_worker_used(const wsgi_worker *worker);

struct wsgi_group {
    wsgi_group *next;
    wsgi_ask ask;   /* the last one */
    int is_bounded; /* by the limits of customers: user is "#" and a number */
    char title[2 * WSGI_ASK_NAME + 8]; /* "alice/shop" */
    wsgi_worker *workers;
    int waiting[WSGI_BOARD_SLOTS * 64]; /* connections, a ring */
    unsigned first_waiting, waiting_count;
    wsgi_board_file board;
    wsgi_log *log;
    long long refused_until; /* asks are refused, with this report */
    wsgi_report refused;
    int wants_swap;
    long long swapped_at; /* when a swap was tried last */
    int wants_another;    /* the last process has died, and was in use */
    int has_notes; /* a process of it was ready: it may have left some */
    int is_cold;   /* one has died while it loaded: the next loads nothing */
    long long kept_until; /* its board stays until then */
    long long second;     /* when it began to count what has begun */
    unsigned rate, begun; /* processes in that second: allowed, begun */
    unsigned too_large;   /* processes as soon as they had loaded, likewise */
    unsigned deaths;      /* early ones, one after the other */
    long long died_at;    /* the last of them */
    long long not_before; /* no other process starts until then */
};

/* ---- census.c: which process gets a connection. ------------------------- */

typedef struct wsgi_census {
    unsigned starting, all; /* of those that are neither old nor draining */
    wsgi_worker *idlest;    /* of those that are ready: the best one */
    unsigned busy;          /* that one */
} wsgi_census;

wsgi_census wsgi_census_count(const wsgi_group *group);

/* Whether no process serves, or will. */
int wsgi_census_is_none(const wsgi_group *group);

/* ---- queue.c: connections that wait for a process of their group. ------- */

/* Milliseconds, at least, in which nobody gets what was refused. */
#define WSGI_QUEUE_PAUSE 1000

/* Takes over a connection. Refuses it if too many wait. */
void wsgi_queue_put(wsgi_group *group, int connection);

/* Takes out the first. There must be one. It is the caller's. */
int wsgi_queue_take(wsgi_group *group);

/* Refuses all that wait, as group->refused says, and for a moment at least all
   that ask. */
void wsgi_queue_refuse(wsgi_group *group);

/* Refuses a connection likewise. It stays the caller's. */
void wsgi_queue_refuse_one(const wsgi_group *group, int connection);

/* ---- pace.c: when another process may start. ---------------------------- */

/* Whether one that starts is to be waited for: it does not take too long. */
int wsgi_pace_helps(const wsgi_worker *worker, long long now);

/* Whether none may start now, because others have died. */
int wsgi_pace_is_paused(const wsgi_group *group, long long now);

/* Whether another may start for those that wait, while so many start. */
int wsgi_pace_may_start(wsgi_group *group, unsigned starting, long long now);

/* A process has ended. is_death: nobody has told it to. */
void wsgi_pace_note_end(wsgi_group *group, const wsgi_worker *worker,
                        int is_death, long long now);

/* Whether a group is to be kept for its count of deaths. */
int wsgi_pace_is_counting(const wsgi_group *group, long long now);

/* Forgets all deaths. */
void wsgi_pace_forgive(wsgi_group *group);

/* In how many seconds those may ask again that are refused now. */
int wsgi_pace_seconds(const wsgi_group *group, long long now);

/* ---- swap.c: old processes, which are to be replaced. ------------------- */

/* Whether a group has some that have not been told to end. */
int wsgi_swap_has_old(const wsgi_group *group);

/* Tells them to end, because a fresh one is ready: those that have nothing to
   do or may have other settings, and one more. Or all of them. */
void wsgi_swap_drain_old(wsgi_group *group, int all);

/* Whether a request has used the group in the last ten minutes, as far as is
   known. */
int wsgi_swap_is_used(const wsgi_group *group);

/* A process says that it has grown too large. It is old from now on, or told
   to end if its group is not used. It stays for some minutes if it was too
   large soon after its start, and so was the one before it. */
void wsgi_swap_take_stale(wsgi_worker *worker);

/* Lets them go on, because no fresh process can start. */
void wsgi_swap_keep_old(wsgi_group *group);

/* ---- cause.c: why there is no process. ---------------------------------- */

/* Stores how a process has ended. status is waitpid's. */
void wsgi_cause_describe(char *text, size_t size, const wsgi_worker *worker,
                         int status);

/* Those who ask are told that cause, or what the process has reported. */
void wsgi_cause_refuse(wsgi_group *group, const wsgi_worker *worker,
                       const char *cause);

/* ---- idle.c: processes that no request uses. ---------------------------- */

/* Tells the oldest of those to end that were not used for long. One after the
   other. Returns in how many milliseconds another may be due; -1: when
   something happens. */
long long wsgi_idle_end(wsgi_group *group, long long now);

/* ---- late.c: processes that take too long. ------------------------------ */

#define WSGI_LATE_HANGING 5000 /* ms for the others in one that hangs */

/* Kills those that do not end, or do not get ready, in time. Or all of them,
   because the server ends. */
void wsgi_late_kill(const wsgi_group *group, long long now, int all);

/* Whether a process lives on, though it has closed its pipe of news a while
   ago. Not if it drains. */
int wsgi_late_is_lost(const wsgi_worker *worker, long long now);

/* Whether it is to be called each second: some start, end, or may be lost. */
int wsgi_late_any(const wsgi_group *group);

/* ---- room.c: whether another process may start, by MOD_WSGI_LIMITS. ----- */

/* Sees that a process may be added to a group. If there are as many as may be,
   an idle one of the same customer's, or of anybody's, is told to end. Returns
   0, or -1 with a report if all are needed. */
int wsgi_room_make(const wsgi_group *group, wsgi_report *report);

/* ---- delegation.c: the cgroup that was given to the server. ------------- */

typedef struct wsgi_delegation {
    char path[PATH_MAX]; /* below the mount */
    int is_above;        /* the server's processes are in one below it */
    char limits[24];     /* what it can limit: some of "memory pids cpu" */
    char why[320];       /* it can't be divided; empty: it was not given */
} wsgi_delegation;

/* Finds it, and makes room in it for those of customers. Returns a descriptor
   of the folder that these are made in, or -1. */
int wsgi_delegation_take(wsgi_delegation *delegation);

/* Sees that there is a cgroup. Its name has no '/'. Returns 0, or -1 with
   errno. */
int wsgi_delegation_make(int folder, const char *name);

/* Stores what a file of a cgroup says, with an end. Returns 0, or -1 with
   errno and an empty text. */
int wsgi_delegation_read(int folder, const char *name, char *text,
                         size_t size);
/* Writes all of a text at once. Returns 0, or -1 with errno. */
int wsgi_delegation_write(int folder, const char *name, const char *text);

/* ---- cgroup.c: what all processes of a customer may use together. ------- */

/* Finds out whether customers can have cgroups. If not, the functions below do
   nothing. */
void wsgi_cgroup_start(void);

/* Sees that a group's user has one, before a process begins there. If the
   limits of customers do not hold for the group, it does nothing, as the
   others. */
void wsgi_cgroup_make(const wsgi_group *group);

/* In a forked process: goes there, for good. Returns 0, or an errno. */
int wsgi_cgroup_enter(const wsgi_group *group);

/* Says which of a customer's processes the system has killed. Removes the
   cgroup if the customer has no process. */
void wsgi_cgroup_look(const wsgi_group *group);

/* ---- user.c: in a forked process: who it is to be. ---------------------- */

typedef struct wsgi_user {
    char name[WSGI_ASK_NAME + 1];
    char home[PATH_MAX];
    uid_t uid;
    gid_t gid;
    int is_known; /* has an entry in the list of users */
} wsgi_user;

/* Finds the user of an ask, and checks that processes may be that user's.
   Returns 0, or -1 with a report. */
int wsgi_user_find(const wsgi_ask *ask, wsgi_user *user, wsgi_report *report);

/* Whether a list such as "1000-,deploy" has this user. */
int wsgi_user_is_listed(const char *list, const char *name, uid_t uid);

/* Becomes that user for good. Returns 0, or -1 with a report. */
int wsgi_user_become(const wsgi_user *user, wsgi_report *report);

/* ---- bounds.c: in a forked process: what the system lets it have. ------- */

/* Called before the process becomes the user. is_bounded: by the limits of
   customers. */
void wsgi_bounds_set(const wsgi_ask *ask, const wsgi_user *user,
                     int is_bounded);

/* ---- program.c: in a forked process: becomes the program. --------------- */

/* What a forked process has: descriptors that it is to have as 1 and 2, 3,
   4, 5. */
typedef struct wsgi_program {
    const wsgi_ask *ask;
    int is_bounded, slot, patience;
    int output, control, board, news, reports;
} wsgi_program;

/* Runs the application's program as its user. Does not return. */
void wsgi_program_run(const wsgi_program *program) __attribute__((noreturn));

#endif
