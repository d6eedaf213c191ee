"""mod_wsgi doctor, where no real server is needed: what it reads, and what it makes of that."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import TOP, httpd
from command.__main__ import main
from command.doctor import accounts, guards, logs, variables
from command.doctor.asked import find
from command.doctor.patient import examine
from command.doctor.reading import Reader

# Answers like an Apache whose configuration has no error.
HTTPD = """#!/bin/sh
for last; do :; done
case "$last" in
-V) echo 'Server version: Apache/{version} (Test)'
    echo ' -D HTTPD_ROOT="{root}"'
    echo ' -D SERVER_CONFIG_FILE="httpd.conf"';;
-l) printf 'Compiled in modules:\\n  core.c\\n  mod_so.c\\n  mod_env.c\\n';;
-S) cat '{root}/hosts';;
DUMP_MODULES) cat '{root}/modules';;
DUMP_INCLUDES) cat '{root}/includes';;
DUMP_RUN_CFG) echo 'User: name="nobody" id=65534';;
*) echo 'Syntax OK';;
esac
"""
OURS = b"\0mod_wsgi/0.9.0 Python/3.11\0"
THEIRS = b"\0mod_wsgi/5.0.2\0WSGIScriptAlias\0"


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder with modules and a server's program, which every user can read."""
    with httpd.server_root() as folder:
        for name, data in (("ours.so", OURS), ("theirs.so", THEIRS)):
            (folder / name).write_bytes(data)
        (folder / "hosts").touch()
        (folder / "includes").touch()
        (folder / "modules").write_text(" core_module (static)\n wsgi_module (shared)\n")
        program = folder / "httpd"
        program.write_text(HTTPD.format(root=folder, version="2.4.99"))
        program.chmod(0o755)
        yield folder


def told(root: Path, capsys: pytest.CaptureFixture[str], text: str) -> str:
    """What the doctor says about a server with this configuration."""
    (root / "httpd.conf").write_text(text)
    status = main(["doctor", "--httpd", str(root / "httpd")])
    said = capsys.readouterr().out
    assert status == int("mend: " in said)
    return said


def test_one_fault_in_several_lines_is_told_once(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = "SetEnv mod_wsgi.aplication shop::application\n"
    said = told(root, capsys, "SetHandler mod_wsgi\n" + 3 * line)
    assert said.count("mod_wsgi.aplication") == 1
    assert f"(also in {root}/httpd.conf:3, {root}/httpd.conf:4)" in said


def test_the_names_of_variables_are_those_of_the_documentation() -> None:
    page = (TOP / "docs" / "configuration.md").read_text()
    names = set(re.findall(r"^\| `mod_wsgi\.(\w+)` \|", page, re.MULTILINE)) - {"environ"}
    assert set(variables.NAMES) == names
    servers = set(re.findall(r"^\| `(MOD_WSGI_\w+)` \|", page, re.MULTILINE))
    assert set(variables.SERVER) == servers


@pytest.mark.parametrize(
    ("order", "first"), [(("ours", "theirs"), "ours"), (("theirs", "ours"), "theirs")]
)
def test_the_other_module_beside_this_one_is_named(
    root: Path, capsys: pytest.CaptureFixture[str], order: tuple[str, ...], first: str
) -> None:
    lines = "".join(f"LoadModule wsgi_module {name}.so\n" for name in order)
    said = told(root, capsys, f"{lines}SetHandler mod_wsgi\n")
    assert (
        "httpd.conf:2: two modules are loaded as wsgi_module: the server takes the first one, "
        f"{root}/{first}.so" in said
    )
    assert f"take out the line with {root}/theirs.so" in said


def test_the_other_module_in_place_of_this_one_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(root, capsys, "LoadModule wsgi_module theirs.so\nSetHandler mod_wsgi\n")
    assert f"{root}/theirs.so is the mod_wsgi with directives" in said


def test_a_module_that_is_not_there_is_named(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = told(root, capsys, "LoadModule wsgi_module none.so\nSetHandler mod_wsgi\n")
    assert f"there is no file {root}/none.so" in said


def test_a_line_that_the_server_skips_loads_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "modules").write_text(" core_module (static)\n")
    text = "<IfVersion > 9>\nLoadModule wsgi_module ours.so\n</IfVersion>\nSetHandler mod_wsgi\n"
    assert "httpd.conf:2: the server skips this line" in told(root, capsys, text)


def test_1_3_has_to_add_what_it_has_cleared(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "httpd").write_text(HTTPD.format(root=root, version="1.3.42"))
    text = "LoadModule wsgi_module ours.so\nSetHandler mod_wsgi\nClearModuleList\n"
    assert "no AddModule adds it" in told(root, capsys, text)
    assert "nothing wrong" in told(root, capsys, text + "AddModule mod_wsgi.c\n")


def test_two_virtual_hosts_of_one_name_are_told(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "hosts").write_text(
        "*:80  is a NameVirtualHost\n"
        "         default server shop (/a.conf:1)\n"
        "         port 80 namevhost shop (/a.conf:1)\n"
        "         port 80 namevhost shop (/b.conf:1)\n"
        "*:443 is a NameVirtualHost\n"
        "         port 443 namevhost shop (/c.conf:1)\n"
    )
    said = told(root, capsys, "LoadModule wsgi_module ours.so\nSetHandler mod_wsgi\n")
    assert "1. /b.conf:1: another virtual host before this one has the name shop, too" in said
    assert "2. " not in said


def test_access_that_nobody_has_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (
        "LoadModule wsgi_module ours.so\n<Directory />\nRequire all denied\n</Directory>\n"
        "<Location /x>\nSetHandler mod_wsgi\n{}</Location>\n"
    )
    assert "everybody is refused (403)" in told(root, capsys, text.format(""))
    assert "nothing wrong" in told(root, capsys, text.format("Require all granted\n"))


def test_a_part_of_a_directory_that_is_refused_is_no_mistake(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        "LoadModule wsgi_module ours.so\n<Directory />\nRequire all granted\n"
        '<Files ".ht*">\nRequire all denied\n</Files>\n</Directory>\n'
        "<Location /x>\nSetHandler mod_wsgi\n</Location>\n"
    )
    assert "nothing wrong" in told(root, capsys, text)


def test_what_another_virtual_host_sets_does_not_count(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "shop.py").write_text("application = None\n")
    host = "<VirtualHost {}>\n{}</VirtualHost>\n"
    known = f"SetEnv mod_wsgi.directory {root}\n"
    shop = "<Location />\nSetHandler mod_wsgi\nSetEnv mod_wsgi.application shop\n</Location>\n"
    load = "LoadModule wsgi_module ours.so\n"
    assert "nothing wrong" in told(root, capsys, load + host.format("a", known + shop))
    said = told(root, capsys, load + host.format("a", known) + host.format("b", shop))
    assert "the application shop has no file: mod_wsgi.directory is not set" in said


@pytest.mark.parametrize(
    ("written", "right"),
    [
        ("/srv/shop/site.py", "write site, and SetEnv mod_wsgi.directory /srv/shop"),
        ("site:app", "write site::app"),
        ("site.py", "write site"),
        ("site::app.wsgi_app", ""),
        ("shop.site", ""),
        ("a b", "write module::callable, as import names the module"),
    ],
)
def test_an_application_that_is_written_otherwise_is_recognised(written: str, right: str) -> None:
    assert variables.application(written) == right


@pytest.mark.parametrize(
    ("listed", "uid", "allowed"),
    [
        ("1000-", 1000, True),
        ("1000-", 999, False),
        ("20, 1000-1999", 2000, False),
        ("20, 1000-1999", 20, True),
        ("none", 1000, False),
        ("shop,1000", 33, True),
    ],
)
def test_users_are_listed_as_the_spawner_reads_it(listed: str, uid: int, allowed: bool) -> None:
    assert accounts.is_listed(listed, "shop", uid) is allowed


def lines_of(root: Path, text: str, **environment: str) -> list[tuple[str, tuple[str, ...], int]]:
    (root / "httpd.conf").write_text(text)
    reader = Reader(root=root, environment=environment, loaded={"mod_so.c"})
    reader.read(root / "httpd.conf")
    return [(line.name, line.words, line.number) for line in reader.lines]


def test_files_that_are_included_are_read_where_they_are_named(root: Path) -> None:
    (root / "sites").mkdir()
    (root / "sites" / "a.conf").write_text("Listen 1\n")
    (root / "sites" / "b.conf").write_text("Listen ${PORT}\n")
    text = "Include sites/*.conf\nInclude sites\nIncludeOptional none/*.conf\nListen 3\n"
    found = lines_of(root, text, PORT="2")
    assert [words[0] for _, words, _ in found] == ["1", "2", "1", "2", "3"]
    assert found[-1][2] == 4


def test_a_file_that_only_the_server_knows_of_is_read(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "LoadModule wsgi_module ours.so\n<IfModule unheard_of>\nInclude a.conf\n</IfModule>\n"
    (root / "a.conf").write_text("SetHandler mod_wsgi\nSetEnv mod_wsgi.aplication shop\n")
    (root / "includes").write_text(
        f"Included configuration files:\n  (*) {root}/httpd.conf\n    (3) {root}/a.conf\n"
    )
    assert f"1. {root}/a.conf:2: mod_wsgi.aplication is no variable" in told(root, capsys, text)


def test_sections_that_ask_a_question_are_answered(root: Path) -> None:
    text = """
<IfModule mod_so.c>
    LoadModule wsgi_module modules/mod_wsgi.so
</IfModule>
<IfModule !mod_wsgi.c>
    Listen 1
</IfModule>
Define FAST
<IfDefine FAST>
    <IfModule wsgi_module>
        Listen 2
    </IfModule>
</IfDefine>
<IfDefine !FAST>
    Listen 3
</IfDefine>
"""
    assert ("listen", ("2",), 11) in lines_of(root, text)
    assert len(lines_of(root, text)) == 3


def test_macros_are_used(root: Path) -> None:
    text = """<Macro Shop $name>
    SetEnv mod_wsgi.application $name::app
</Macro>
Use Shop cart
"""
    assert lines_of(root, text) == [("setenv", ("mod_wsgi.application", "cart::app"), 4)]


def test_the_script_says_which_program_it_starts_in_which_environment(root: Path) -> None:
    (root / "envvars").write_text("export SHOP='a b'\n")
    (root / "httpd.conf").touch()
    script = root / "apachectl"
    script.write_text(f"#!/bin/sh\nHTTPD=${{APACHE_HTTPD:-{root}/httpd}}\n. {root}/envvars\n")
    program = find(script, None, None)
    assert (program.path, program.environment["SHOP"]) == (root / "httpd", "a b")
    assert program.conf == root / "httpd.conf"


def test_only_what_the_log_says_since_the_start_counts(root: Path) -> None:
    now = time.strftime("%a %b %d %H:%M:%S")
    (root / "error.log").write_text(
        "[Mon Jan 05 10:00:00.123456 2026] [wsgi:error] [pid 1] mod_wsgi: MW0101: old\n"
        f"[{now}.000000 2099] [mpm_event:notice] [pid 1] Apache -- resuming normal operations\n"
        f"[{now}.000001 2099] [wsgi:error] [pid 1] [client ::1] mod_wsgi: MW0101: a new one\n"
        f"[{now}.000001 2099] [wsgi:info] [pid 1] mod_wsgi: MW0402: has made an interpreter\n"
        f"[{now}.000002 2099] [core:notice] [pid 1] AH00051: child pid 2 exit signal "
        "Segmentation fault (11)\n"
    )
    (root / "httpd.conf").write_text("ErrorLog error.log\n")
    found = [*logs.check(examine(find(None, root / "httpd", None)))]
    assert [each.what for each in found] == [
        "the log says: a new one",
        "AH00051: child pid 2 exit signal Segmentation fault (11)",
    ]
    assert found[0].remedy.endswith(" (MW0101)")


def test_the_exception_of_a_load_that_failed_is_told_with_it(root: Path) -> None:
    start = "[Mon Jan 05 10:00:00.123456 2026] [wsgi:error] [pid 1] [client ::1] "
    said = [
        "mod_wsgi: MW0303: mod_wsgi.application 'shop' can't be loaded, because it raised:",
        "Traceback (most recent call last):",
        '  File "/srv/shop/shop.py", line 1, in <module>',
        "KeyError: 'SHOP_SECRET_KEY'",
        "mod_wsgi: MW0315: os.environ has no SHOP_SECRET_KEY",
        "mod_wsgi: MW0303: mod_wsgi.application 'cart' can't be loaded, because it raised:",
    ]
    (root / "error.log").write_text("".join(f"{start}{line}\n" for line in said))
    (root / "httpd.conf").write_text("ErrorLog error.log\n")
    found = [each.what for each in logs.check(examine(find(None, root / "httpd", None)))]
    assert len(found) == 3
    assert found[0].endswith(
        "'shop' can't be loaded, because it raised: KeyError: 'SHOP_SECRET_KEY'"
    )
    assert found[1].endswith("os.environ has no SHOP_SECRET_KEY")
    assert found[2].endswith("'cart' can't be loaded, because it raised:")


def test_what_django_says_of_hosts_and_databases_is_explained(root: Path) -> None:
    start = "[Mon Jan 05 10:00:00.123456 2026] [wsgi:error] [pid 1] [client ::1] "
    (root / "error.log").write_text(
        f"{start}Invalid HTTP_HOST header: 'shop'. You may need to add 'shop' to ALLOWED_HOSTS.\n"
        f"{start}django.core.exceptions.DisallowedHost: Invalid HTTP_HOST header: 'shop'.\n"
        f"{start}django.db.utils.OperationalError: attempt to write a readonly database\n"
    )
    (root / "httpd.conf").write_text("ErrorLog error.log\n")
    hosts, database = logs.check(examine(find(None, root / "httpd", None)))
    assert "ALLOWED_HOSTS of Django's settings" in hosts.remedy
    assert "chown both" in database.remedy


@pytest.mark.parametrize(
    ("words", "what", "remedy"),
    [
        ("/static/ {}/static2/", "there is no file or directory {}/static2", "mean {}/static?"),
        ("/static/ {}/static", "Apache looks for /static/x in {}/staticx", "write {}/static/"),
        ("/static/ static/", "", ""),
        ("/static {}/static/", "", ""),
        ("/manual/ /not/there/", "", ""),
    ],
)
def test_an_alias_that_leads_nowhere_is_told(
    root: Path, capsys: pytest.CaptureFixture[str], words: str, what: str, remedy: str
) -> None:
    (root / "static").mkdir()
    text = f"LoadModule wsgi_module ours.so\nSetHandler mod_wsgi\nAlias {words.format(root)}\n"
    said = told(root, capsys, text)
    assert what.format(root) in said
    assert remedy.format(root) in said
    assert ("nothing wrong" in said) == (not what)


def test_a_module_that_debian_has_installed_is_to_be_enabled(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "modules").write_text(" core_module (static)\n")
    assert "module-config" in told(root, capsys, "SetHandler mod_wsgi\n")
    (root / "mods-available").mkdir()
    (root / "mods-available" / "wsgi.load").touch()
    assert "mend: a2enmod wsgi\n" in told(root, capsys, "SetHandler mod_wsgi\n")


def test_a_remedy_of_several_lines_can_be_copied(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "static").mkdir()
    text = (
        f"LoadModule wsgi_module ours.so\nAlias /static/ {root}/static/\n"
        "<Location />\nSetHandler mod_wsgi\n</Location>\n"
    )
    said = told(root, capsys, text)
    mended = "".join(line.strip() + "\n" for line in said.partition("section:\n")[2].splitlines())
    assert mended == "<Location /static/>\nSetHandler none\n</Location>\n"
    assert "nothing wrong" in told(root, capsys, text + mended)


def test_where_the_page_of_messages_is_not_the_code_leads_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert logs.remedy("MW0001").startswith("Give the machine more memory")
    assert logs.remedy("MW9999") == "docs/messages.md#mw9999 explains it"
    monkeypatch.setattr(logs, "MESSAGES", Path("/not/there"))
    assert logs.remedy("MW0001") == "docs/messages.md#mw0001 explains it"


def test_apparmor_that_does_not_know_the_directory_is_told(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "profiles").write_text("httpd (enforce)\nman_filter (enforce)\n")
    monkeypatch.setattr(guards, "PROFILES", root / "profiles")
    (root / "shop.py").write_text("application = None\n")
    text = (
        "LoadModule wsgi_module ours.so\nSetHandler mod_wsgi\nSetEnv mod_wsgi.application shop\n"
        f"SetEnv mod_wsgi.directory {root}\n"
    )
    assert "AppArmor confines httpd, and its profile" in told(root, capsys, text)


def test_selinux_with_a_label_that_is_closed_is_told(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "enforce").write_text("1")
    monkeypatch.setattr(guards, "ENFORCES", root / "enforce")
    monkeypatch.setattr(os, "getxattr", lambda *_: b"unconfined_u:object_r:user_home_t:s0\0")
    (root / "shop.py").write_text("application = None\n")
    text = (
        "LoadModule wsgi_module ours.so\nSetHandler mod_wsgi\nSetEnv mod_wsgi.application shop\n"
        f"SetEnv mod_wsgi.directory {root}\n"
    )
    assert f"semanage fcontext -a -t httpd_sys_content_t '{root}(/.*)?'" in told(
        root, capsys, text
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--httpd", "/not/there"], "is not a program that can be run"),
        (["--httpd", "/bin/true"], "is not an Apache"),
        (["--httpd", "/bin/true", "/not/there.conf"], "there is no file /not/there.conf"),
        (["--apachectl", "/not/there"], "cannot be read"),
    ],
)
def test_without_a_server_it_says_what_is_missing(
    capsys: pytest.CaptureFixture[str], words: list[str], complaint: str
) -> None:
    assert main(["doctor", *words]) == 2
    assert complaint in capsys.readouterr().err
