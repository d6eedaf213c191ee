"""Sites that the other module serves, for `mod_wsgi convert`: typical ones, in small."""

from collections.abc import Mapping
from dataclasses import dataclass, field

APPLICATION = """
import json

def application(environ, start_response):
    kept = dict((name, value) for name, value in environ.items()
                if isinstance(value, (str, int, bool)))
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(kept).encode("ascii")]
"""

NAMED = APPLICATION.replace("def application", "def site")

# Says no, as an application does that has no such page.
MISSING = """
def application(environ, start_response):
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"the application's own words"]
"""

# Imports what only the virtual environment has.
MARKED = "import marked\n" + APPLICATION.replace(
    "kept = dict(", "kept = dict(marked.items, **dict("
)
MARKED = MARKED.replace("bool)))", "bool))))")

FILES = {
    "shop.wsgi": APPLICATION,
    "code/shop/__init__.py": "",
    "code/shop/wsgi.py": APPLICATION,
    "code/named.py": NAMED,
    "code/importing.wsgi": "from shop.wsgi import application\n",
    "bin/identity-wsgi": APPLICATION,
    "scripts/one.wsgi": APPLICATION,
    "scripts/two.wsgi": APPLICATION,
    "static/site.css": "p { color: black }\n",
    "static/admin/admin.css": "a { color: black }\n",
    "www/index.html": "a page\n",
    "www/hello.wsgi": APPLICATION,
    "www/closed/hello.wsgi": APPLICATION,
    "www/closed/page.html": "a page\n",
    "scripts/more/three.wsgi": APPLICATION,
    "missing.wsgi": MISSING,
    "static/missing.txt": "the server's page\n",
    "code/marked.wsgi": MARKED,
    "included/one.conf": "    WSGIScriptAlias /one @{site}/scripts/one.wsgi\n",
    "included/two.conf": "    Alias /one/static @{site}/static\n    SetEnv SHOP included\n",
}

GRANTED = """
    <Directory "@{site}">
        Require all granted
    </Directory>
"""


@dataclass(frozen=True, kw_only=True)
class Example:
    """A virtual host as it was, and the paths to ask it for."""

    name: str
    text: str
    paths: tuple[str, ...]
    headers: Mapping[str, str] = field(default_factory=dict)
    differs: tuple[str, ...] = ()


def _example(name: str, text: str, *paths: str, **headers: str) -> Example:
    return Example(name=name, text=GRANTED + text, paths=paths, headers=headers)


TYPICAL = (
    _example(
        "mounted",
        "    WSGIScriptAlias /shop @{site}/shop.wsgi",
        "/shop",
        "/shop/a%20b?c=d",
        "/shopping",
        "/",
    ),
    _example("root", "    WSGIScriptAlias / @{site}/shop.wsgi", "/", "/a/b", "//a", "/a%20b"),
    _example(
        "aliases-later",
        """
    WSGIScriptAlias / @{site}/shop.wsgi
    Alias /static/ @{site}/static/
    Alias /robots.txt @{site}/static/site.css
""",
        *("/static/site.css", "/static/none", "/robots.txt", "/page", "/static"),
    ),
    _example(
        "nested",
        """
    WSGIScriptAlias /wiki/static @{site}/shop.wsgi
    WSGIScriptAlias /wiki @{site}/code/shop/wsgi.py
    WSGIScriptAlias / @{site}/scripts/one.wsgi
    <IfModule mod_alias.c>
        Alias /wiki/static/css @{site}/static
    </IfModule>
""",
        *("/wiki/static/css/site.css", "/wiki/static/x", "/wiki/y", "/z"),
    ),
    _example(
        "folder",
        "    WSGIScriptAlias /apps/ @{site}/scripts/",
        *("/apps/one.wsgi", "/apps/two.wsgi/x/y", "/apps/none.wsgi"),
    ),
    _example(
        "matched",
        """
    WSGIScriptAliasMatch ^/s/([^/]+) @{site}/scripts/$1.wsgi
    WSGIScriptAliasMatch "^/(en|de)/shop" "@{site}/shop.wsgi"
""",
        *("/s/one", "/s/two/x", "/s/none", "/en/shop/cart", "/fr/shop"),
    ),
    _example(
        "django",
        """
    WSGIDaemonProcess django python-path=@{site}/code processes=2 threads=15 \\
        display-name=%{GROUP} maximum-requests=1000 lang='en_US.UTF-8' locale='C.UTF-8'
    WSGIProcessGroup django
    WSGIScriptAlias / @{site}/code/importing.wsgi process-group=django
    Alias /static/admin/ @{site}/static/admin/
    <Directory @{site}/code/shop>
        <Files wsgi.py>
            Require all granted
        </Files>
    </Directory>
""",
        *("/", "/admin/login/?next=/", "/static/admin/admin.css"),
    ),
    _example(
        "one-process",
        """
    WSGIDaemonProcess one user=www-data group=www-data
    WSGIScriptAlias /api @{site}/shop.wsgi process-group=one application-group=%{GLOBAL}
    WSGIPassAuthorization On
""",
        *("/api", "/api/v1/things?x=1"),
        Authorization="Basic YWxpY2U6cmlnaHQ=",
    ),
    _example(
        "no-authorization",
        "    WSGIScriptAlias /api @{site}/shop.wsgi",
        "/api",
        Authorization="Basic YWxpY2U6cmlnaHQ=",
    ),
    _example(
        "single-thread",
        """
    WSGIDaemonProcess single threads=1
    <Location />
        WSGIProcessGroup single
        WSGIApplicationGroup %{GLOBAL}
    </Location>
    WSGIScriptAlias / @{site}/shop.wsgi
""",
        "/",
    ),
    _example(
        "callable",
        """
    WSGICallableObject site
    WSGIScriptAlias /named @{site}/code/named.py
""",
        *("/named", "/named/x/y"),
    ),
    _example(
        "handler",
        """
    DocumentRoot @{site}/www
    <Directory @{site}/www>
        Options +ExecCGI
        AddHandler wsgi-script .wsgi
        SetEnv SHOP open
    </Directory>
""",
        *("/", "/hello.wsgi", "/hello.wsgi/x", "/none.wsgi"),
    ),
    _example(
        "denied-files",
        """
    WSGIScriptAlias /shop @{site}/shop.wsgi
    <Directory @{site}>
        <Files shop.wsgi>
            Require all denied
        </Files>
    </Directory>
""",
        "/shop",
    ),
    _example(
        "location-denied",
        """
    WSGIScriptAlias /shop @{site}/shop.wsgi
    <Location /shop/admin>
        Require all denied
    </Location>
""",
        *("/shop/admin/x", "/shop/x"),
    ),
    _example(
        "server-group",
        """
    WSGIApplicationGroup %{SERVER}
    WSGIScriptReloading Off
    <IfModule mod_wsgi.c>
        <IfModule !mod_nothing.c>
            WSGIScriptAlias /one @{site}/scripts/one.wsgi
            WSGIScriptAlias /two @{site}/scripts/two.wsgi
        </IfModule>
    </IfModule>
    Alias /one/static @{site}/static
""",
        *("/one", "/two/x", "/one/static/site.css"),
    ),
    _example(
        "chosen",
        """
    SetEnvIf Request_URI ^/shop/(a|b) chosen=$1
    WSGIApplicationGroup %{ENV:chosen}
    WSGIScriptAlias /shop @{site}/shop.wsgi
""",
        *("/shop/a", "/shop/b/c"),
    ),
)

# What public projects give their users for this, in small.
PUBLIC = (
    _example(
        "trac",
        """
    WSGIScriptAlias /trac @{site}/shop.wsgi
    <Directory @{site}>
        WSGIApplicationGroup %{GLOBAL}
    </Directory>
""",
        *("/trac", "/trac/wiki/Start?version=1"),
    ),
    _example(
        "moinmoin",
        """
    Alias /moin_static @{site}/static
    WSGIScriptAlias /wiki @{site}/shop.wsgi
    WSGIDaemonProcess moin user=www-data group=www-data processes=5 threads=10 \\
        maximum-requests=1000 umask=0007
    WSGIProcessGroup moin
""",
        *("/wiki", "/wiki/Front%20Page", "/moin_static/site.css"),
    ),
    _example(
        "graphite",
        """
    WSGIDaemonProcess graphite processes=5 threads=5 display-name='%{GROUP}' \\
        inactivity-timeout=120 request-timeout=60
    WSGIProcessGroup graphite
    WSGIApplicationGroup %{GLOBAL}
    WSGIImportScript @{site}/shop.wsgi process-group=graphite application-group=%{GLOBAL}
    WSGIScriptAlias / @{site}/shop.wsgi
    Alias /content/ @{site}/static/
    <Location "/content/">
        SetHandler None
    </Location>
""",
        *("/", "/render?target=a", "/content/site.css"),
    ),
    _example(
        "identity",
        """
    WSGIDaemonProcess identity processes=5 threads=1 user=www-data group=www-data \\
        display-name=%{GROUP}
    WSGIProcessGroup identity
    WSGIScriptAlias / @{site}/bin/identity-wsgi
    WSGIApplicationGroup %{GLOBAL}
    WSGIPassAuthorization On
    LimitRequestBody 114688
    <Directory @{site}/bin>
        Require all granted
    </Directory>
    Alias /identity @{site}/bin/identity-wsgi
    <Location /identity>
        SetHandler wsgi-script
        Options +ExecCGI
        WSGIProcessGroup identity
        WSGIApplicationGroup %{GLOBAL}
        WSGIPassAuthorization On
    </Location>
""",
        *("/v3/users", "/identity/v3", "/identity"),
        Authorization="Basic YWxpY2U6cmlnaHQ=",
    ),
    _example(
        "puppetboard",
        """
    WSGIDaemonProcess board user=www-data group=www-data threads=5 maximum-requests=1000
    WSGIScriptAlias / @{site}/code/shop/wsgi.py
    <Directory @{site}/code/shop>
        WSGIProcessGroup board
        WSGIApplicationGroup %{GLOBAL}
        Require all granted
    </Directory>
    Alias /static @{site}/static
""",
        *("/", "/nodes", "/static/site.css"),
    ),
    _example(
        "reviewboard",
        """
    WSGIPassAuthorization On
    WSGIScriptAlias "/" "@{site}/shop.wsgi/"
    <Location "/media">
        SetHandler None
    </Location>
    Alias /media "@{site}/static"
""",
        *("/r/1/", "/media/site.css"),
    ),
    _example(
        "hyperkitty",
        """
    Alias /mailman3/favicon.ico @{site}/static/site.css
    Alias /mailman3/static @{site}/static
    <IfModule mod_wsgi.c>
        WSGIScriptAlias /mailman3 @{site}/code/importing.wsgi
        WSGIDaemonProcess mailman threads=25 python-path=@{site}/code user=www-data group=www-data
        WSGIProcessGroup mailman
    </IfModule>
""",
        *("/mailman3", "/mailman3/lists/", "/mailman3/static/site.css", "/mailman3/favicon.ico"),
    ),
    _example(
        "kallithea",
        """
    WSGIDaemonProcess kallithea processes=5 threads=1 maximum-requests=100 lang=C.UTF-8
    WSGIProcessGroup kallithea
    WSGIScriptAlias /kallithea @{site}/shop.wsgi
    WSGIPassAuthorization On
""",
        *("/kallithea", "/kallithea/repository/file"),
        Authorization="Basic YWxpY2U6cmlnaHQ=",
    ),
    _example(
        "radicale",
        """
    WSGIScriptAlias /radicale @{site}/shop.wsgi
    <Location /radicale>
        RequestHeader unset X-Forwarded-User
        SetEnv SHOP calendar
    </Location>
""",
        *("/radicale/alice/", "/radicale"),
    ),
    Example(
        name="pgadmin",
        text=GRANTED
        + """
    WSGIDaemonProcess pgadmin processes=1 threads=25
    WSGIScriptAlias /pgadmin4 @{site}/shop.wsgi
    <Directory @{site}>
        WSGIProcessGroup pgadmin
        WSGIApplicationGroup %{GLOBAL}
        Require all granted
    </Directory>
""",
        paths=("/pgadmin4", "/pgadmin4/browser/"),
        # It was true where `processes` was written, even as 1.
        differs=("wsgi.multiprocess",),
    ),
)

# What the other module's own documentation shows, in small.
DOCUMENTED = (
    _example(
        "folder-at-root",
        "    WSGIScriptAlias / @{site}/scripts/",
        *("/one.wsgi", "/one.wsgi/x", "/more/three.wsgi/y", "/none", "/none.wsgi/x"),
    ),
    _example(
        "rest-of-the-match",
        """
    WSGIScriptAliasMatch "^/(admin|files)" @{site}/shop.wsgi/$1
""",
        *("/admin", "/admin/users", "/files/x", "/other"),
    ),
    _example(
        "static-beside",
        """
    Alias /robots.txt @{site}/static/site.css
    AliasMatch /([^/]*[.]css) @{site}/static/$1
    Alias /media/ @{site}/static/admin/
    WSGIScriptAlias / @{site}/shop.wsgi
""",
        *("/robots.txt", "/a/site.css", "/media/admin.css", "/media", "/page", "/none.css"),
    ),
    _example(
        "located-handler",
        """
    Alias /run/ @{site}/scripts/
    <Location /run>
        SetHandler wsgi-script
        Options +ExecCGI
    </Location>
""",
        *("/run/one.wsgi", "/run/two.wsgi/x", "/run/none.wsgi"),
    ),
    _example(
        "found-by-name",
        """
    DocumentRoot @{site}/www
    <Directory @{site}/www>
        Options ExecCGI MultiViews
        MultiviewsMatch Handlers
        DirectoryIndex hello.wsgi
        AddHandler wsgi-script .wsgi
    </Directory>
""",
        *("/", "/hello", "/hello/x", "/hello.wsgi"),
    ),
    _example(
        "handler-of-all",
        """
    DocumentRoot @{site}/www
    AddHandler wsgi-script .wsgi
    <Directory @{site}/www>
        Options ExecCGI
    </Directory>
    <Directory @{site}/www/closed>
        Options None
    </Directory>
    <Location />
        Require all granted
    </Location>
""",
        *("/hello.wsgi/x", "/index.html", "/closed/hello.wsgi", "/closed/page.html"),
    ),
    _example(
        "handler-above",
        """
    DocumentRoot @{site}/www
    <Directory @{site}/www>
        Options +ExecCGI
        AddHandler wsgi-script .wsgi
    </Directory>
    <Directory @{site}/www/closed>
        Options -ExecCGI
    </Directory>
""",
        *("/hello.wsgi", "/closed/hello.wsgi", "/closed/page.html"),
    ),
    _example(
        "no-programs",
        """
    Alias /run/ @{site}/bin/
    <Directory @{site}/bin>
        SetHandler wsgi-script
        Options FollowSymLinks
    </Directory>
""",
        "/run/identity-wsgi",
    ),
    _example(
        "rewritten",
        """
    WSGIScriptAlias /app @{site}/shop.wsgi
    RewriteEngine On
    RewriteRule ^/old/(.*)$ /app/$1 [PT,L]
    RewriteRule ^/gone - [G]
""",
        *("/old/a/b?c=d", "/app/x", "/gone"),
    ),
    _example(
        "falls-back",
        """
    DocumentRoot @{site}/www
    <Directory @{site}/www>
        FallbackResource /app/
    </Directory>
    WSGIScriptAlias /app @{site}/shop.wsgi
""",
        *("/index.html", "/none", "/app/x"),
    ),
    _example(
        "variables",
        """
    WSGIScriptAlias / @{site}/shop.wsgi
    SetEnv SHOP open
    SetEnvIf Request_URI ^/closed SHOP=closed
    RewriteEngine On
    RewriteRule ^/late - [E=SHOP:late]
""",
        *("/", "/closed", "/late"),
    ),
    _example(
        "callable-of-a-file",
        """
    WSGIScriptAlias / @{site}/code/named.py
    <Directory @{site}/code>
        <Files named.py>
            WSGICallableObject site
        </Files>
    </Directory>
""",
        *("/", "/a/b"),
    ),
    _example(
        "environment",
        """
    WSGIDaemonProcess marked python-home=@{site}/venv processes=2 threads=3 \\
        display-name=%{GROUP}
    WSGIProcessGroup marked
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / @{site}/code/marked.wsgi
""",
        *("/", "/a"),
    ),
    # The tests' own server says how many threads there are. These lines are to say so instead.
    _example(
        "chosen-process",
        """
    UnsetEnv mod_wsgi.process mod_wsgi.processes mod_wsgi.threads
    WSGIDaemonProcess first processes=2 threads=1
    WSGIDaemonProcess second threads=4
    SetEnvIf Request_URI ^/shop/a pool=first
    RewriteEngine On
    RewriteRule ^/shop/b - [E=pool:second]
    WSGIProcessGroup %{ENV:pool}
    WSGIScriptAlias /shop @{site}/shop.wsgi
""",
        *("/shop/a", "/shop/b"),
    ),
    _example(
        "chosen-by-options",
        """
    WSGIDaemonProcess third processes=3 threads=1
    SetEnv pool third
    SetEnvIf Request_URI ^/shop/(.) chosen=$1
    WSGIScriptAlias /shop @{site}/shop.wsgi \\
        process-group=%{ENV:pool} application-group=%{ENV:chosen}
""",
        *("/shop/a", "/shop/b"),
    ),
    _example(
        "defined",
        """
    Define with_shop
    <IfDefine with_shop>
        <IfModule wsgi_module>
            WSGIScriptAlias /shop @{site}/shop.wsgi
        </IfModule>
    </IfDefine>
    <IfDefine !with_shop>
        WSGIScriptAlias /none @{site}/shop.wsgi
    </IfDefine>
""",
        *("/shop/x", "/none"),
    ),
    _example(
        "included",
        "    Include @{site}/included/",
        *("/one", "/one/x", "/one/static/site.css"),
    ),
    _example(
        "error-pages",
        """
    Alias /static @{site}/static
    ErrorDocument 404 /static/missing.txt
    WSGIDaemonProcess missing threads=2
    WSGIScriptAlias /own @{site}/missing.wsgi process-group=missing
    WSGIErrorOverride On
""",
        *("/own", "/none"),
    ),
)

EXAMPLES = (*TYPICAL, *PUBLIC, *DOCUMENTED)
