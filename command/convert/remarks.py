"""What is written where a directive has no equivalent: what it did, and what to do instead."""

_PROCESS_ENVIRONMENT = (
    "Set {0} in the environment of the server (envvars on Debian) for Apache's own processes."
)

# Each directive that is only commented out.
REMARKS = {
    "WSGIAcceptMutex": "It chose a lock between daemon processes. Nothing is needed.",
    "WSGIApplicationWrapper": "It wrapped applications. Wrap the callable in the application's "
    "own code.",
    "WSGICaseSensitivity": "It was for file systems that ignore case. Nothing is needed on Linux.",
    "WSGIDestroyInterpreter": "It kept interpreters from being ended. Interpreters end with their "
    "process here.",
    "WSGIDispatchScript": "It chose the application by a script. Let SetEnvIf or RewriteRule set "
    "mod_wsgi.application, mod_wsgi.interpreter or mod_wsgi.process instead.",
    "WSGIDontWriteBytecode": _PROCESS_ENVIRONMENT.format("PYTHONDONTWRITEBYTECODE"),
    "WSGIEnableSendfile": "Files of wsgi.file_wrapper are sent with sendfile here, unless "
    "Apache's own EnableSendfile is Off.",
    "WSGIFreeThreading": "It switched free threads on. Build the module for a free-threaded "
    "Python, and set PYTHON_GIL=0 in the server's environment.",
    "WSGIIgnoreActivity": "It kept requests from counting as activity. Each request counts here: "
    "see mod_wsgi.idle.",
    "WSGIImportScript": "It loaded a script when a process began. The first request loads the "
    "application here.",
    "WSGILazyInitialization": "Python is always started by the first request that needs it.",
    "WSGIMapHEADToGET": "It turned HEAD into GET. The application sees HEAD here, and Apache "
    "keeps the body back.",
    "WSGINewRelicConfigFile": "Start the agent in the application's own code.",
    "WSGINewRelicEnvironment": "Start the agent in the application's own code.",
    "WSGIPassApacheRequest": "It gave the application Apache's request object. There is none "
    "here.",
    "WSGIPythonHashSeed": _PROCESS_ENVIRONMENT.format("PYTHONHASHSEED"),
    "WSGIPythonOptimize": _PROCESS_ENVIRONMENT.format("PYTHONOPTIMIZE"),
    "WSGIPythonWarnings": _PROCESS_ENVIRONMENT.format("PYTHONWARNINGS"),
    "WSGIReloadMechanism": "It chose between two ways of reloading. See mod_wsgi.reload.",
    "WSGIRestrictEmbedded": "It kept Python out of Apache's own processes. To have that, build "
    "the module without Python (scons python=none,...).",
    "WSGIRestrictProcess": "It listed the daemons that an .htaccess file may choose. A customer's "
    "application always runs as its file's owner here.",
    "WSGIRestrictSignal": "signal.signal() never has an effect here but a line in the log.",
    "WSGIRestrictStdin": "sys.stdin may be read here. It is the server's, and usually empty.",
    "WSGIRestrictStdout": "print() is allowed here, and writes to the error log.",
    "WSGIServerMetrics": "It gave applications the numbers of Apache's scoreboard. See SetHandler "
    "mod_wsgi-status.",
    "WSGISocketPrefix": "It named the sockets of daemons. Sockets have no name here.",
    "WSGISocketRotation": "It named the sockets of daemons. Sockets have no name here.",
    "WSGISwitchInterval": "Call sys.setswitchinterval() in the application.",
    "WSGITelemetryOptions": "It sent numbers to a service. There is none here.",
    "WSGITelemetryService": "It sent numbers to a service. There is none here.",
    "WSGITrustedProxies": "Use Apache's mod_remoteip: RemoteIPInternalProxy. See "
    "docs/guides/https-proxy.md.",
    "WSGITrustedProxyHeaders": "Use Apache's mod_remoteip: RemoteIPHeader. See "
    "docs/guides/https-proxy.md.",
    "WSGIPy3kWarningFlag": "It was Python 2's option -3.",
    "WSGIVerboseDebugging": "It wrote more to the log. There is none here.",
}

# Sections that are comments as a whole, with all that is in them.
SECTIONS = {
    "WSGIInterpreterOptions": "There is no such section here. Set what is in it where the mounts "
    "of its process-group and application-group are.",
    "AuthnProviderAlias": "A script was this provider. What has the provider is closed.",
    "AuthzProviderAlias": "A script was this provider. What has the provider is closed.",
}

_END = (
    "the requests of a process that is to end have mod_wsgi.timeout and five seconds more, then "
    "it is killed"
)
_REPLACED = (
    "processes are not replaced after a time or a number of requests; if they grow, set "
    "mod_wsgi.memory"
)

# Options of WSGIDaemonProcess of which something is to be said.
OPTIONS = {
    "chroot": "a process sees the whole file system here",
    "cpu-priority": "nice= in MOD_WSGI_LIMITS, in the server's environment, lowers the priority "
    "of all processes",
    "cpu-time-limit": "a process has no limit of processor time here; CPUQuota= in the unit of "
    "the server holds for the server and all processes together",
    "deadlock-timeout": "mod_wsgi.timeout also replaces a process whose Python lock is held",
    "display-name": "ps shows the user and the name of the process without it",
    "eviction-timeout": _END,
    "graceful-timeout": _END,
    "group": "a process has all groups of its user; give the user that group",
    "interrupt-timeout": "a request that hangs gets no exception in a process here: the process "
    "is replaced, and its other requests have five seconds to end",
    "listen-backlog": "64 requests wait for each process here, and mod_wsgi.concurrency sets a "
    "lower bound; others get 503",
    "locale": "call locale.setlocale() in the application",
    "maximum-requests": _REPLACED,
    "memory-limit": "set mod_wsgi.memory, in MB: a process that has more is replaced without "
    "losing a request, and can't have more than about twice as much",
    "queue-timeout": "a request that has waited for mod_wsgi.timeout gets 504, and one that finds "
    "64 waiting for each process gets 503 at once",
    "request-timeout": "mod_wsgi.timeout is the time without progress of one request, not how "
    "long requests take",
    "restart-interval": _REPLACED,
    "script-group": "Apache still decides which files it serves",
    "script-user": "Apache still decides which files it serves",
    "server-metrics": "see SetHandler mod_wsgi-status",
    "shutdown-timeout": _END,
    "socket-user": "sockets have no name here",
    "stack-size": "threads have the system's size of a stack",
    "startup-timeout": "an application that does not load is tried again by the next request, and "
    "the load counts for mod_wsgi.timeout",
    "supplementary-groups": "a process has all groups of its user",
    "switch-interval": "call sys.setswitchinterval() in the application",
    "umask": "a process has the umask 022; call os.umask() in the application",
    "virtual-memory-limit": "it follows from mod_wsgi.memory: about twice as much",
}
OTHER_OPTION = "the connection between Apache and a process has no such setting here"
