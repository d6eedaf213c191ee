/*
 * kinds.c - hints for applications that are not WSGI's.
 *
 * This runs only after a call has failed, so a working application pays
 * nothing.
 */
#include "application.h"

/* ---- The application -------------------------------------------------- */

/* The code object that a call of this object runs: a new reference, or NULL.
   Leaves no exception set. */
static PyObject *code_of(PyObject *object)
{
    PyObject *code = PyObject_GetAttrString(object, "__code__");
    PyObject *call = NULL;

    if (code == NULL)
        call = PyObject_GetAttrString(object, "__call__");
    if (call != NULL)
        code = PyObject_GetAttrString(call, "__code__");
    PyErr_Clear();
    Py_XDECREF(call);
    return code;
}

/* Whether the first argument, or the second for a method, has that name. */
static int begins_with(PyObject *code, const char *name)
{
    PyObject *names = PyObject_GetAttrString(code, "co_varnames");
    int answer = 0;
    Py_ssize_t i;

    for (i = 0; names != NULL && i < 2 && !answer; i++) {
        PyObject *item = PySequence_GetItem(names, i);
        PyObject *bytes = item != NULL ? wsgi_text_bytes(item) : NULL;

        answer = bytes != NULL && strcmp(PyBytes_AS_STRING(bytes), name) == 0;
        PyErr_Clear();
        Py_XDECREF(bytes);
        Py_XDECREF(item);
    }
    PyErr_Clear();
    Py_XDECREF(names);
    return answer;
}

static enum wsgi_kind judge(PyObject *application)
{
    PyObject *code;
    enum wsgi_kind kind = WSGI_KIND_UNKNOWN;

    if (WSGI_CLASS_CHECK(application))
        return WSGI_KIND_CLASS;
    code = code_of(application);
    if (code != NULL && begins_with(code, "scope"))
        kind = WSGI_KIND_ASGI;
    else if (code != NULL)
        kind = WSGI_KIND_FACTORY;
    Py_XDECREF(code);
    return kind;
}

/* When the arguments do not fit, none of the application's code has run, so
   the exception has no traceback. */
enum wsgi_kind wsgi_kinds_find(PyObject *application)
{
    PyObject *type, *value, *traceback;
    enum wsgi_kind kind = WSGI_KIND_UNKNOWN;

    PyErr_Fetch(&type, &value, &traceback);
    if (traceback == NULL && type != NULL &&
        PyErr_GivenExceptionMatches(type, PyExc_TypeError))
        kind = judge(application);
    PyErr_Restore(type, value, traceback);
    return kind;
}

void wsgi_kinds_hint(const wsgi_request *request, enum wsgi_kind kind,
                     const char *name)
{
    static const char *const texts[] = {
        [WSGI_KIND_ASGI] =
            "is an ASGI application, but this module serves WSGI "
            "applications: "
            "wrap it with a2wsgi: \"from a2wsgi import ASGIMiddleware\", "
            "\"application = ASGIMiddleware(app)\"",
        [WSGI_KIND_FACTORY] =
            "does not take environ and start_response: is it a factory? name "
            "what it returns: write \"application = create_app()\" in the "
            "module, and set mod_wsgi.application to module::application",
        [WSGI_KIND_CLASS] =
            "is a class that does not take environ and start_response: name "
            "an instance of it",
    };

    if (texts[kind] != NULL)
        wsgi_log(request, WSGI_ERROR, "MW0306: mod_wsgi.application '%s' %s",
                 name != NULL ? name : request->filename, texts[kind]);
}

/* ---- What it returned ------------------------------------------------- */

void wsgi_kinds_explain(PyObject *result)
{
    const char *type = Py_TYPE(result)->tp_name;

    if (!PyErr_ExceptionMatches(PyExc_TypeError))
        return;
    if (strcmp(type, "coroutine") == 0 || strcmp(type, "async_generator") == 0)
        PyErr_Format(PyExc_TypeError,
                     "the application returned a %.100s: WSGI has no \"async "
                     "def\"; an ASGI application can be wrapped with a2wsgi",
                     type);
    else if (result == Py_None)
        PyErr_SetString(PyExc_TypeError,
                        "the application returned None: a \"return\" with "
                        "the body, a list of bytes, is missing");
    else if (PyCallable_Check(result))
        PyErr_Format(PyExc_TypeError,
                     "the application returned an object that is called, not "
                     "iterated over (%.100s): is the application a factory? "
                     "name what it returns in mod_wsgi.application",
                     type);
}
