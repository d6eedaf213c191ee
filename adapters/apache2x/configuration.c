/*
 * configuration.c - tells the server's configuration from others.
 *
 * The server keeps its directives as a tree, with variables and included files
 * put in. Comments are not there.
 */
#include "adapter.h"

#include <util_cfgtree.h>

#include "../remote/memory.h"

static uint32_t noted;

static uint32_t add(uint32_t sum, const ap_directive_t *node)
{
    for (; node != NULL; node = node->next) {
        sum = wsgi_memory_tell_apart(sum, node->directive);
        sum = wsgi_memory_tell_apart(sum, node->args);
        sum = add(sum, node->first_child);
    }
    return wsgi_memory_tell_apart(sum, "");
}

void wsgi_apache_note_configuration(void)
{
    noted = add(0, ap_conftree);
}

uint32_t wsgi_apache_configuration(void)
{
    return noted;
}
