/*
 * copies.c - which variables of a sub-request are copies of its parent's.
 *
 * A sub-request's table begins with a copy of its parent's, and its own
 * configuration adds entries behind that copy. No hook of a server runs in
 * between. A copied entry shares its value's memory with the parent's entry,
 * so copies are recognised by address and count.
 */
#include <strings.h>

#include "request.h"

static wsgi_entry entry_of(const wsgi_table *table, int i)
{
    return table->get(table->entries, i);
}

/* How many of the first count entries of a table are this one: the same name,
   and the value in the same memory. */
static int count_same(const wsgi_table *table, int count, wsgi_entry entry)
{
    const char *name = wsgi_plain_name(entry.name);
    int i, same = 0;

    for (i = 0; i < count; i++) {
        wsgi_entry other = entry_of(table, i);

        same += other.value == entry.value &&
                strcasecmp(wsgi_plain_name(other.name), name) == 0;
    }
    return same;
}

/* To look for an index, or the best of several files, a server makes another
   sub-request and puts that one's table before its own. Both have a copy then.
   The server puts REMOTE_ADDR into the table of each page with includes, and
   no configuration adds the same memory. So REMOTE_ADDR came once with each
   copy. */
int wsgi_copies_count(const wsgi_table *mine, const wsgi_table *theirs)
{
    int i, copies = 0;

    for (i = 0; i < theirs->count && copies == 0; i++) {
        wsgi_entry entry = entry_of(theirs, i);

        if (strcasecmp(entry.name, "REMOTE_ADDR") == 0)
            copies = count_same(mine, mine->count, entry);
    }
    return copies > 0 ? copies : 1;
}

int wsgi_copies_may_stay(const wsgi_table *mine, int i,
                         const wsgi_table *theirs, int copies)
{
    wsgi_entry entry = entry_of(mine, i);

    return (!wsgi_is_setting(entry.name) && !wsgi_is_believed(entry.name)) ||
           count_same(mine, i, entry) >=
               copies * count_same(theirs, theirs->count, entry);
}
