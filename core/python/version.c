/*
 * version.c - the module's name and version, and the Python it runs.
 */
#include <dlfcn.h>

#include "surroundings.h"

const char wsgi_component[] = "mod_wsgi/" WSGI_VERSION
                              " Python/" WSGI_PYTHON_SERIES;

/* The file that Python's code was loaded from. */
static const char *library(void)
{
    Dl_info found;

    return dladdr(&PyBaseObject_Type, &found) != 0 && found.dli_fname != NULL
               ? found.dli_fname
               : "an unknown library";
}

void wsgi_version_tell(const wsgi_request *request,
                       const wsgi_settings *settings,
                       const wsgi_interp *interp)
{
    const char *version = Py_GetVersion(), *application, *env;

    application = settings->application != NULL ? settings->application
                                                : request->filename;
    env = settings->virtualenv != NULL ? settings->virtualenv
                                       : wsgi_virtualenv_of_process();
    wsgi_log(request, WSGI_INFO,
             "MW0401: " WSGI_VERSION
             " has made the interpreter '%s' for '%s': Python "
             "%.*s of %s, %s%s%s",
             interp->shown, application, (int)strcspn(version, " "), version,
             library(), env != NULL ? "in the virtual environment '" : "",
             env != NULL ? env : "in no virtual environment",
             env != NULL ? "'" : "");
}
