/*
 * decide.c - decides which application a request is for, whether that is
 * allowed, and where it is mounted.
 *
 * Nothing here needs Python. So a process without Python could decide, and
 * leave running the application to another process.
 */
#include "request.h"

int wsgi_decide(const wsgi_request *request, wsgi_decision *decision)
{
    wsgi_settings *settings = &decision->settings;
    int status = wsgi_settings_read(request, settings);

    if (status == 0)
        status = wsgi_owner_find(request, settings);
    if (status != 0)
        return status;
    if (wsgi_mount_split(request, settings, &decision->mount) == 0)
        return 0;
    wsgi_log(request, WSGI_ERROR,
             "MW0108: mod_wsgi.script_name '%s' is not the beginning of the "
             "URL '%s': set it to the path that leads to the application",
             settings->script_name, request->uri);
    return 500;
}

void wsgi_decide_tell_host(const wsgi_request *request,
                           const wsgi_settings *settings)
{
    const wsgi_host *host = wsgi_process_given.host;

    if (settings->path_translated && host->translate_path != NULL)
        host->translate_path(request->record);
    if (settings->error_pages && host->use_error_pages != NULL)
        host->use_error_pages(request->record);
}
