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
    WSGIDaemonProcess graphite processes=5 threads=5 display-name='%{GROUP}' inactivity-timeout=120
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

EXAMPLES = (*TYPICAL, *PUBLIC)
