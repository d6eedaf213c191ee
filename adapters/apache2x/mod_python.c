/*
 * mod_python.c - living with mod_python in one process.
 *
 * Python exists once in a process. Where mod_python is loaded, it has started
 * it and goes on owning it; it hands its interpreters over by name, so the
 * same name is the same interpreter in both modules.
 */
#include "adapter.h"

#include <apr_optional.h>
#include <link.h>

APR_DECLARE_OPTIONAL_FN(void *, mp_acquire_interpreter, (const char *));

static APR_OPTIONAL_FN_TYPE(mp_acquire_interpreter) * acquire;

/* The interpreter must not be given back with mp_release_interpreter, which
   fails in every 3.5.x: the core keeps its thread state. */
static void *find_interp(const char *name)
{
    return acquire(name);
}

/* Counts the libpythons in this process. */
static int count_python(struct dl_phdr_info *info, size_t size, void *count)
{
    const char *slash = strrchr(info->dlpi_name, '/');
    const char *file = slash != NULL ? slash + 1 : info->dlpi_name;

    (void)size;
    /* libpython3.so only stands for another one. */
    if (strncmp(file, "libpython", 9) == 0 &&
        strncmp(file, "libpython3.so", 13) != 0)
        ++*(int *)count;
    return 0;
}

static int has_two_pythons(void)
{
    int pythons = 0;

    dl_iterate_phdr(count_python, &pythons);
    return pythons > 1;
}

/* The first module that is loaded brings the libpython in which both find
   Python's functions. Modules are numbered in that order. */
int wsgi_apache_misleads_mod_python(void)
{
    const module *other = ap_find_linked_module("mod_python.c");

    return other != NULL && other->module_index > wsgi_module.module_index &&
           has_two_pythons();
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
    else if (has_two_pythons())
        process->refusal = "mod_python is loaded, and was built with another "
                           "version of Python: build both with the same, or "
                           "take one LoadModule line out";
    else
        process->find_interp = find_interp;
}
