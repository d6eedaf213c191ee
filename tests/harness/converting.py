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


def _example(name: str, text: str, *paths: str, **headers: str) -> Example:
    return Example(name=name, text=GRANTED + text, paths=paths, headers=headers)


EXAMPLES = (
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
