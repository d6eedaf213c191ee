/*
 * log.c - writes lines to logs, in a thread of its own.
 *
 * A log may be a pipe whose reader is slow, and a write then waits. So the
 * main thread only puts lines into a queue.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "spawner.h"

#define MOST_LINES 1000
#define LINE_SIZE (4 * WSGI_LOG_LINE_SIZE + 64) /* each byte as \xNN */

struct wsgi_log {
    int fd;
    unsigned users; /* who has it open, and its lines in the queue */
};

typedef struct line {
    struct line *next;
    wsgi_log *log;
    size_t size;
    char text[];
} line;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

/* All under the mutex. */
static line *first, **last = &first;
static unsigned line_count, left_out;
static int is_writing;

/* ---- A log ------------------------------------------------------------ */

wsgi_log *wsgi_log_open(int fd)
{
    wsgi_log *log = malloc(sizeof *log);

    if (log == NULL) {
        close(fd);
        return NULL;
    }
    *log = (wsgi_log){.fd = fd, .users = 1};
    return log;
}

/* With the mutex. */
static void leave(wsgi_log *log)
{
    if (log == NULL || --log->users > 0)
        return;
    close(log->fd);
    free(log);
}

void wsgi_log_close(wsgi_log *log)
{
    pthread_mutex_lock(&mutex);
    leave(log);
    pthread_mutex_unlock(&mutex);
}

/* ---- The thread that writes ------------------------------------------- */

static void write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, text, size);

        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

/* With the mutex, which it releases while it writes. */
static void write_first(void)
{
    line *this = first;

    first = this->next;
    if (first == NULL)
        last = &first;
    line_count--;
    is_writing = 1;
    pthread_mutex_unlock(&mutex);
    write_all(this->log != NULL ? this->log->fd : STDERR_FILENO, this->text,
              this->size);
    pthread_mutex_lock(&mutex);
    is_writing = 0;
    leave(this->log);
    free(this);
    pthread_cond_broadcast(&changed);
}

static void *write_lines(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex);
    for (;;) {
        while (first == NULL)
            pthread_cond_wait(&changed, &mutex);
        write_first();
    }
    return NULL;
}

int wsgi_log_start(void)
{
    sigset_t all, before;
    pthread_t thread;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, write_lines, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

void wsgi_log_flush(int milliseconds)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += milliseconds / 1000;
    pthread_mutex_lock(&mutex);
    while (first != NULL || is_writing)
        if (pthread_cond_timedwait(&changed, &mutex, &until) != 0)
            break;
    pthread_mutex_unlock(&mutex);
}

/* ---- A line ----------------------------------------------------------- */

static size_t put_front(char *text, size_t size, enum wsgi_log_level level)
{
    static const char *const levels[] = {"error", "warn", "notice"};
    time_t now = time(NULL);
    struct tm local;
    size_t n = strftime(text, size, "[%a %b %d %H:%M:%S %Y] ",
                        localtime_r(&now, &local));

    return n + (size_t)snprintf(text + n, size - n, "[%s] ", levels[level]);
}

static size_t put_plain(char *text, const char *from, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t i, n = 0;

    for (i = 0; i < size; i++) {
        unsigned char c = (unsigned char)from[i];

        if ((c >= ' ' && c != 0x7f) || c == '\t') {
            text[n++] = (char)c;
        } else {
            text[n++] = '\\';
            text[n++] = 'x';
            text[n++] = digits[c >> 4];
            text[n++] = digits[c & 15];
        }
    }
    return n;
}

/* Takes the line over. */
static void put_in_queue(line *this)
{
    pthread_mutex_lock(&mutex);
    if (line_count < MOST_LINES) {
        if (this->log != NULL)
            this->log->users++;
        *last = this;
        last = &this->next;
        line_count++;
        pthread_cond_broadcast(&changed);
    } else {
        left_out++;
        free(this);
    }
    pthread_mutex_unlock(&mutex);
}

static void add(wsgi_log *log, enum wsgi_log_level level, const char *text,
                size_t size)
{
    char room[LINE_SIZE];
    size_t n = put_front(room, sizeof room, level);
    line *this;

    n += put_plain(room + n, text, size);
    room[n++] = '\n';
    this = malloc(sizeof *this + n);
    if (this == NULL)
        return;
    *this = (line){.log = log, .size = n};
    memcpy(this->text, room, n);
    put_in_queue(this);
}

/* Lines can be left out for good reasons only, and this says how many. */
static void tell_left_out(wsgi_log *log)
{
    char text[128];
    unsigned n = 0;

    pthread_mutex_lock(&mutex);
    if (line_count < MOST_LINES / 2) {
        n = left_out;
        left_out = 0;
    }
    pthread_mutex_unlock(&mutex);
    if (n == 0)
        return;
    snprintf(
        text, sizeof text,
        "mod_wsgi: MW0710: %u lines are missing here: the log was too slow",
        n);
    add(log, WSGI_LOG_WARNING, text, strlen(text));
}

void wsgi_log_line(wsgi_log *log, enum wsgi_log_level level, const char *text,
                   size_t size)
{
    if (size > WSGI_LOG_LINE_SIZE)
        size = WSGI_LOG_LINE_SIZE;
    tell_left_out(log);
    add(log, level, text, size);
}

void wsgi_log_say(wsgi_log *log, enum wsgi_log_level level, const char *format,
                  ...)
{
    static const char prefix[] = "mod_wsgi: ";
    char text[WSGI_LOG_LINE_SIZE];
    va_list args;

    memcpy(text, prefix, sizeof prefix);
    va_start(args, format);
    vsnprintf(text + sizeof prefix - 1, sizeof text - sizeof prefix, format,
              args);
    va_end(args);
    wsgi_log_line(log, level, text, strlen(text));
}
