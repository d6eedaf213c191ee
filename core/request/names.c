/*
 * names.c - what a variable's name tells: whether it is a setting, and whether
 * it can be trusted.
 *
 * Pure strings. The servers' tables ignore case, so the functions here do,
 * too.
 */
#include <string.h>
#include <strings.h>

#include "../host.h"

#define SETTING "mod_wsgi."
#define RENAMED "REDIRECT_"

const char *wsgi_plain_name(const char *name)
{
    while (strncasecmp(name, RENAMED, sizeof RENAMED - 1) == 0)
        name += sizeof RENAMED - 1;
    return name;
}

int wsgi_is_setting(const char *name)
{
    return strncasecmp(wsgi_plain_name(name), SETTING, sizeof SETTING - 1) ==
           0;
}

int wsgi_is_renamed_setting(const char *name)
{
    return wsgi_is_setting(name) && wsgi_plain_name(name) != name;
}

int wsgi_is_believed(const char *name)
{
    static const char *const fronts[] = {"REMOTE_", "AUTH_TYPE", "HTTP_",
                                         "HTTPS", "SSL_"};
    const char *plain = wsgi_plain_name(name);
    size_t i;

    for (i = 0; i < sizeof fronts / sizeof *fronts; i++)
        if (strncasecmp(plain, fronts[i], strlen(fronts[i])) == 0)
            return 1;
    return 0;
}
