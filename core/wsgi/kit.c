/*
 * kit.c - what an interpreter keeps for the calls of its applications.
 */
#include "wsgi.h"

static int make_types(wsgi_kit *kit)
{
    kit->call_type = wsgi_call_type();
    kit->input_type = wsgi_input_type();
    kit->wrapper_type = wsgi_file_wrapper_type();
    return kit->call_type != NULL && kit->input_type != NULL &&
                   kit->wrapper_type != NULL
               ? 0
               : -1;
}

int wsgi_kit_make(wsgi_interp *interp)
{
    wsgi_kit *kit = calloc(1, sizeof *kit);

    wsgi_kit_forget(interp); /* what a first attempt has left */
    if (kit == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    interp->kit = kit;
    kit->input_key = wsgi_native_name("wsgi.input");
    kit->errors_key = wsgi_native_name("wsgi.errors");
    if (kit->input_key == NULL || kit->errors_key == NULL ||
        make_types(kit) < 0)
        return -1;
    kit->constants = wsgi_environ_constants(interp);
    return kit->constants != NULL ? 0 : -1;
}

void wsgi_kit_forget(wsgi_interp *interp)
{
    wsgi_kit *kit = interp->kit;

    interp->kit = NULL;
    if (kit == NULL)
        return;
    Py_XDECREF(kit->constants);
    Py_XDECREF(kit->input_key);
    Py_XDECREF(kit->errors_key);
    Py_XDECREF(kit->call_type);
    Py_XDECREF(kit->input_type);
    Py_XDECREF(kit->wrapper_type);
    free(kit);
}
