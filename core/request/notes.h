/*
 * notes.h - what the processes of a group of applications leave for those that
 * begin after them: which applications they have loaded, and how.
 *
 * The memory belongs to the group, and only processes of one user write and
 * read it. An application can write it, too. So whoever reads it believes
 * nothing.
 */
#ifndef WSGI_NOTES_H
#define WSGI_NOTES_H

#include "request.h"

#define WSGI_NOTES_MOST 16

/* An application that was loaded. Only notes.c uses the fields. */
typedef struct wsgi_note {
    uint64_t key;     /* a hash of what tells applications apart; 0: free */
    uint32_t loading; /* the process that loads it beforehand, or 0 */
    uint32_t is_used; /* requests have used it since the last look */
    int64_t last;     /* when they have: seconds since 1970 */
    wsgi_tally_recall recall;
} wsgi_note;

typedef struct wsgi_notes {
    wsgi_note notes[WSGI_NOTES_MOST];
} wsgi_notes;

/* Gives the memory of the group, or NULL: nothing is noted then. Called once,
   before any other function. configuration tells the server's configuration
   from others. */
void wsgi_notes_open(wsgi_notes *memory, uint32_t configuration);

/* Notes how the application of a request was loaded. Returns what is to be set
   to 1 when a request uses the application. It is never NULL, and stays valid.
   Any thread. */
uint32_t *wsgi_notes_put(const wsgi_request *request,
                         const wsgi_settings *settings);

/* Looks which applications were used. To be called every minute. */
void wsgi_notes_look(void);

/* Copies what loading needs of the applications that were used in the last so
   many seconds, in the order in which they were noted. to has room for
   WSGI_NOTES_MOST. Returns how many. */
unsigned wsgi_notes_take(wsgi_tally_recall *to, int64_t recent);

/* Notes which application this process loads beforehand, NULL: none any more.
   If the process ends meanwhile, the next one does not load it beforehand. */
void wsgi_notes_note_loading(const wsgi_tally_recall *which);

#endif
