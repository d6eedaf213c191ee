/*
 * mod_python.c - sharing Python with mod_python.
 *
 * There is one Python in a process. Where mod_python is loaded, mod_python has
 * started it and owns it. This module asks for interpreters by name, so the
 * same name is the same interpreter in both modules.
 */
#include "adapter.h"

#include <apr_optional.h>

#include "libraries.h"

APR_DECLARE_OPTIONAL_FN(void *, mp_acquire_interpreter, (const char *));

static APR_OPTIONAL_FN_TYPE(mp_acquire_interpreter) * acquire;

/* The interpreter is not given back: mp_release_interpreter fails in every
   3.5.x. The core keeps the thread state instead. */
static void *find_interp(const char *name)
{
    return acquire(name);
}

/* libpython3.so only refers to another libpython. */
static int is_python(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;

    return strncmp(file, "libpython", 9) == 0 &&
           strncmp(file, "libpython3.so", 13) != 0;
}

/* Both modules find Python's functions in the libpython that the first one has
   loaded. Modules are numbered in the order in which they are loaded. */
int wsgi_apache_misleads_mod_python(void)
{
    const module *other = ap_find_linked_module("mod_python.c");

    return other != NULL && other->module_index > wsgi_module.module_index &&
           wsgi_count_libraries(is_python) > 1;
}

void wsgi_apache_join_mod_python(wsgi_process *process)
{
    if (ap_find_linked_module("mod_python.c") == NULL)
        return;
    acquire = APR_RETRIEVE_OPTIONAL_FN(mp_acquire_interpreter);
    if (acquire == NULL)
        process->refusal = "mod_python is loaded, and is older than 3.3, "
                           "which can't share Python: update it, or take its "
                           "LoadModule line out";
    else if (wsgi_count_libraries(is_python) > 1)
        process->refusal = "mod_python is loaded, and was built with another "
                           "version of Python: build both with the same, or "
                           "take one LoadModule line out";
    else
        process->find_interp = find_interp;
}
