/*
 * mod_least.c - the least that a handler can do which calls Python.
 *
 * Does what mod_floor.c does for "hello" with "FloorFlush On", but a Python
 * function makes the body. The function gets a dict of the CGI variables, and
 * a start_response that does nothing. Nothing is checked, no error is handled,
 * and environ lacks all wsgi.* keys. So this is no WSGI server, and a WSGI
 * server in Apache can't do less.
 *
 * "LeastEnviron Off" leaves the dict empty.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <httpd.h>

#include <http_config.h>
#include <http_protocol.h>
#include <string.h>
#include <util_script.h>

#include "flush.h"

#define INTERPRETERS 10
#define MOST_NAMES 64

static const char source[] =
    "def application(environ, start_response):\n"
    "    start_response('200 OK', [('Content-Type', 'text/plain'),\n"
    "                              ('Content-Length', '13')])\n"
    "    return [b'Hello, world!']\n";

typedef struct place {
    PyInterpreterState *interpreter;
    PyObject *application, *start_response;
    PyObject *names[MOST_NAMES]; /* of variables, by their place */
} place;

/* The main interpreter, then bench0 to bench9. */
static place places[1 + INTERPRETERS];
static __thread PyThreadState *states[1 + INTERPRETERS];
static int has_environ = 1;

static PyObject *start_response(PyObject *self, PyObject *arguments)
{
    (void)self, (void)arguments;
    Py_RETURN_NONE;
}

static PyMethodDef start_response_def = {"start_response", start_response,
                                         METH_VARARGS, NULL};

static void make_place(place *p, PyThreadState *state)
{
    p->interpreter = state->interp;
    PyRun_SimpleString(source);
    p->application =
        PyObject_GetAttrString(PyImport_AddModule("__main__"), "application");
    p->start_response = PyCFunction_New(&start_response_def, NULL);
}

static void start_python(apr_pool_t *pool, server_rec *server)
{
    PyThreadState *first;
    int i;

    (void)pool, (void)server;
    Py_InitializeEx(0);
    first = PyThreadState_Get();
    make_place(&places[0], first);
    for (i = 1; i <= INTERPRETERS; i++) {
        make_place(&places[i], Py_NewInterpreter());
        PyThreadState_Swap(first);
    }
    PyEval_SaveThread();
}

/* The name of a variable, kept for the next request. */
static PyObject *name_at(place *p, int i, const char *name)
{
    if (p->names[i] == NULL ||
        strcmp(PyUnicode_AsUTF8(p->names[i]), name) != 0)
        p->names[i] = PyUnicode_InternFromString(name);
    return p->names[i];
}

static PyObject *make_environ(place *p, const apr_table_t *table)
{
    const apr_array_header_t *all = apr_table_elts(table);
    const apr_table_entry_t *entries = (const void *)all->elts;
    PyObject *environ = PyDict_New();
    int i;

    for (i = 0; has_environ && i < all->nelts && i < MOST_NAMES; i++) {
        const char *text = entries[i].val;
        PyObject *value =
            PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);

        PyDict_SetItem(environ, name_at(p, i, entries[i].key), value);
        Py_DECREF(value);
    }
    return environ;
}

static int number_of(const request_rec *r)
{
    const char *name =
        apr_table_get(r->subprocess_env, "mod_wsgi.interpreter");

    return name != NULL && strncmp(name, "bench", 5) == 0 ? 1 + name[5] - '0'
                                                          : 0;
}

/* Calls the application and sends what it returns. */
static void answer(request_rec *r, int number)
{
    place *p = &places[number];
    PyObject *environ, *result, *block;

    if (states[number] == NULL)
        states[number] = PyThreadState_New(p->interpreter);
    PyEval_RestoreThread(states[number]);
    environ = make_environ(p, r->subprocess_env);
    result = PyObject_CallFunctionObjArgs(p->application, environ,
                                          p->start_response, NULL);
    block = PyList_GET_ITEM(result, 0);
    ap_set_content_length(r, PyBytes_GET_SIZE(block));
    ap_rwrite(PyBytes_AS_STRING(block), (int)PyBytes_GET_SIZE(block), r);
    Py_DECREF(result);
    Py_DECREF(environ);
    PyEval_SaveThread();
}

static int handle(request_rec *r)
{
    if (r->handler == NULL || strcmp(r->handler, "mod_wsgi") != 0)
        return DECLINED;
    if (ap_setup_client_block(r, REQUEST_CHUNKED_DECHUNK) != OK)
        return HTTP_BAD_REQUEST;
    ap_add_common_vars(r);
    ap_add_cgi_vars(r);
    ap_set_content_type(r, "text/plain");
    answer(r, number_of(r));
    return flush_end(r);
}

static const char *set_environ(cmd_parms *command, void *config, int on)
{
    (void)command, (void)config;
    has_environ = on;
    return NULL;
}

static const command_rec commands[] = {
    AP_INIT_FLAG("LeastEnviron", set_environ, NULL, RSRC_CONF,
                 "give the application its environ"),
    {NULL},
};

static void register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_child_init(start_python, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_handler(handle, NULL, NULL, APR_HOOK_MIDDLE);
}

module AP_MODULE_DECLARE_DATA wsgi_module = {
    STANDARD20_MODULE_STUFF, NULL, NULL, NULL, NULL, commands, register_hooks,
};
