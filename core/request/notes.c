/*
 * notes.c - what the processes of a group of applications leave for those that
 * begin after them.
 */
#include "notes.h"

#include <unistd.h>

static wsgi_notes *notes; /* NULL: nothing is noted */
static uint32_t configuration;
static wsgi_note *current;     /* what this process loads beforehand */
static uint32_t other_is_used; /* an application without a note */

void wsgi_notes_open(wsgi_notes *memory, uint32_t from)
{
    notes = memory;
    configuration = from;
}

/* ---- Finding a note ----------------------------------------------------- */

/* Never 0. */
static uint64_t key_of(const wsgi_request *request, const wsgi_settings *s)
{
    char name[WSGI_WALK_PATH + WSGI_NAMING_SIZE];
    const char *end = wsgi_naming_append(name, name + sizeof name, request, s);
    unsigned long long sum =
        wsgi_hash_add(WSGI_HASH_START, name, (size_t)(end - name));

    sum = wsgi_hash_add_text(sum, s->application != NULL ? s->application
                                                         : request->filename);
    sum = wsgi_hash_add_text(sum, s->directory);
    sum = wsgi_hash_add_text(sum, s->virtualenv);
    return sum != 0 ? sum : 1;
}

static int is_of_now(const wsgi_note *note)
{
    return wsgi_atomic_load(&note->recall.configuration, WSGI_RELAXED) ==
           configuration;
}

/* The note with this key, or one that is free. Makes room by what was noted
   under another configuration. NULL: there is no room. */
static wsgi_note *find(uint64_t key)
{
    wsgi_note *note, *end = notes->notes + WSGI_NOTES_MOST, *room = NULL;

    for (note = notes->notes; note < end; note++) {
        uint64_t theirs = wsgi_atomic_load(&note->key, WSGI_ACQUIRE);

        if (theirs == key)
            return note;
        if (room == NULL && (theirs == 0 || !is_of_now(note)))
            room = note;
    }
    if (room != NULL)
        wsgi_atomic_store(&room->key, key, WSGI_RELEASE);
    return room;
}

/* ---- Writing ------------------------------------------------------------ */

/* Whether the note says something else of the application than the request
   does. */
static int is_news(const wsgi_note *note, const wsgi_request *request)
{
    wsgi_tally_recall now = {.configuration = 0};

    if (!is_of_now(note))
        return 1;
    wsgi_recall_put(&now, request, configuration);
    return now.size != note->recall.size || now.port != note->recall.port ||
           memcmp(now.texts, note->recall.texts, now.size) != 0;
}

uint32_t *wsgi_notes_put(const wsgi_request *request,
                         const wsgi_settings *settings)
{
    wsgi_note *note = notes != NULL ? find(key_of(request, settings)) : NULL;

    if (note == NULL)
        return &other_is_used;
    if (request->recalled == NULL && is_news(note, request)) {
        note->last = (int64_t)time(NULL);
        wsgi_recall_put(&note->recall, request, configuration);
    }
    return &note->is_used;
}

void wsgi_notes_look(void)
{
    int64_t now = (int64_t)time(NULL);
    int i;

    for (i = 0; notes != NULL && i < WSGI_NOTES_MOST; i++)
        if (wsgi_atomic_exchange(&notes->notes[i].is_used, 0U, WSGI_RELAXED))
            notes->notes[i].last = now;
}

/* ---- Reading ------------------------------------------------------------ */

/* Whatever a process was loading when it died is not loaded beforehand. This
   one may have got its number. */
static void forget_deadly(wsgi_note *note)
{
    if (note->loading != (uint32_t)getpid() &&
        !wsgi_tally_is_dead(note->loading))
        return;
    note->recall.size = 0;
    note->loading = 0;
}

unsigned wsgi_notes_take(wsgi_tally_recall *to, int64_t recent)
{
    int64_t since = (int64_t)time(NULL) - recent;
    unsigned count = 0;
    uint32_t i;

    wsgi_notes_look();
    for (i = 0; notes != NULL && i < WSGI_NOTES_MOST; i++) {
        wsgi_note *note = &notes->notes[i];

        forget_deadly(note);
        if (note->last >= since &&
            wsgi_recall_copy(&to[count], &note->recall, configuration) == 0)
            to[count++].row = i;
    }
    return count;
}

void wsgi_notes_note_loading(const wsgi_tally_recall *which)
{
    if (current != NULL)
        current->loading = 0;
    current = which != NULL && which->row < WSGI_NOTES_MOST
                  ? &notes->notes[which->row]
                  : NULL;
    if (current != NULL)
        current->loading = (uint32_t)getpid();
}
