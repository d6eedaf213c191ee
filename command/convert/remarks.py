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
    "WSGIIgnoreActivity": "It was about the inactivity timeout of daemons, which is not here.",
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

_LIMIT = "a process has no limit of its own; its user's limits are the system's"

# Options of WSGIDaemonProcess that become no variable.
OPTIONS = {
    "chroot": "a process sees the whole file system here",
    "cpu-priority": "a process has the priority of the server here",
    "cpu-time-limit": _LIMIT,
    "deadlock-timeout": "mod_wsgi.timeout replaces a process that hangs",
    "display-name": "ps shows the user and the name of the process without it",
    "eviction-timeout": "processes are not evicted here",
    "graceful-timeout": "apachectl graceful swaps processes without losing a request",
    "group": "a process has all groups of its user; give the user that group",
    "inactivity-timeout": "a process stays until the server restarts",
    "interrupt-timeout": "a request that takes long is not interrupted here",
    "locale": "call locale.setlocale() in the application",
    "maximum-requests": "a process stays until the server restarts",
    "memory-limit": _LIMIT,
    "queue-timeout": "a request waits for a process as long as it takes",
    "request-timeout": "mod_wsgi.timeout is the time without progress",
    "restart-interval": "a process stays until the server restarts",
    "script-group": "Apache still decides which files it serves",
    "script-user": "Apache still decides which files it serves",
    "server-metrics": "see SetHandler mod_wsgi-status",
    "shutdown-timeout": "a process that ends finishes its requests first",
    "socket-user": "sockets have no name here",
    "stack-size": "threads have the system's size of a stack",
    "startup-timeout": "an application that does not load is tried again by the next request",
    "supplementary-groups": "a process has all groups of its user",
    "switch-interval": "call sys.setswitchinterval() in the application",
    "umask": "a process has the umask 022; call os.umask() in the application",
    "virtual-memory-limit": _LIMIT,
}
OTHER_OPTION = "the connection between Apache and a process has no such setting here"
