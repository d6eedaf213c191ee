"""`mod_wsgi convert`: each directive, and the configurations around them."""

from pathlib import Path

import pytest

from command.convert import convert, main
from command.convert.parse import parse, quoted, words
from command.convert.rules import RULES

# All of the other module's newest release, and those of older ones.
NAMES = """
WSGIAcceptMutex WSGIAccessScript WSGIApplicationGroup WSGIApplicationWrapper WSGIAuthGroupScript
WSGIAuthUserScript WSGICallableObject WSGICaseSensitivity WSGIChunkedRequest WSGIDaemonProcess
WSGIDestroyInterpreter WSGIDispatchScript WSGIDontWriteBytecode WSGIEnableSendfile
WSGIErrorOverride WSGIFreeThreading WSGIGroupAuthoritative WSGIHandlerScript WSGIIgnoreActivity
WSGIImportScript WSGILazyInitialization WSGIMapHEADToGET WSGINewRelicConfigFile
WSGINewRelicEnvironment WSGIPassApacheRequest WSGIPassAuthorization WSGIPerInterpreterGIL
WSGIProcessGroup WSGIPythonEggs WSGIPythonHashSeed WSGIPythonHome WSGIPythonOptimize
WSGIPythonPath WSGIPythonWarnings WSGIReloadMechanism WSGIRestrictEmbedded WSGIRestrictProcess
WSGIRestrictSignal WSGIRestrictStdin WSGIRestrictStdout WSGIScriptAlias WSGIScriptAliasMatch
WSGIScriptReloading WSGIServerMetrics WSGISlowRequests WSGISocketPrefix WSGISocketRotation
WSGISwitchInterval WSGITelemetryOptions WSGITelemetryService WSGITrustedProxies
WSGITrustedProxyHeaders WSGIVerboseDebugging
"""
DIRECTIVES = NAMES.split()

DENIED = "Require all denied"


def converted(tmp_path: Path, text: str, *, name: str = "site.conf", line: str = "2.4") -> str:
    path = tmp_path / name
    path.write_text(text)
    texts, _ = convert([path], line=line)
    return texts[path]


def active(text: str) -> list[str]:
    """The lines that are no comment, without indent."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", DIRECTIVES)
def test_every_directive_is_known(name: str) -> None:
    assert name.lower() in RULES


@pytest.mark.parametrize("name", DIRECTIVES)
def test_no_directive_of_the_other_module_stays(tmp_path: Path, name: str) -> None:
    for arguments in ("/a /srv/a.wsgi", "On", "Off", "", "%{ENV:x}", "a b=c 'd e'"):
        text = converted(tmp_path, f"{name} {arguments}\n<Location /x>\n{name} {arguments}\n")
        assert not [line for line in active(text) if line.lower().startswith("wsgi")]


def test_error_pages_of_the_server_are_asked_for(tmp_path: Path) -> None:
    assert active(converted(tmp_path, "WSGIErrorOverride On\n")) == [
        "SetEnv mod_wsgi.error_pages on"
    ]


@pytest.mark.parametrize(("seconds", "here"), [("5", "5"), ("0.5", "1"), ("2.5", "3")])
def test_slow_requests_are_logged(tmp_path: Path, seconds: str, here: str) -> None:
    assert active(converted(tmp_path, f"WSGISlowRequests {seconds}\n")) == [
        f"SetEnv mod_wsgi.slow {here}"
    ]


@pytest.mark.parametrize("seconds", ["", "soon", "0", "-1", "inf", "nan"])
def test_slow_requests_without_a_number_are_a_comment(tmp_path: Path, seconds: str) -> None:
    assert active(converted(tmp_path, f"WSGISlowRequests {seconds}\n")) == []


def test_an_unknown_directive_of_the_other_module_is_a_comment(tmp_path: Path) -> None:
    assert converted(tmp_path, "WSGIFuture On\n").startswith("# WSGIFuture On\n# mod_wsgi: ")


def test_what_is_not_converted_stays_as_it_stood(tmp_path: Path) -> None:
    text = (
        "# A comment, \\\n  continued\n\n\tServerName  a.example\n<Directory '/srv/a b'>\n"
        '  Header set X "a \\"b\\"" \\\n      env=c\n</Directory>\n</Location>\n'
        '<If "1 > 0">\n</If>\n'
    )
    assert converted(tmp_path, text) == text


@pytest.mark.parametrize("end", "\r\v\f\x1c\x85\u2028")
def test_only_a_newline_ends_a_comment_or_a_value(tmp_path: Path, end: str) -> None:
    commented = f"# a comment{end}WSGIPassAuthorization On\n"
    assert converted(tmp_path, commented) == commented
    text = converted(
        tmp_path,
        f'WSGIDaemonProcess d user="a{end}Include b"\nWSGIScriptAlias / /srv/a.wsgi '
        "process-group=d\n",
    )
    assert not [line for line in text.split("\n") if line.strip().startswith("Include")]


def test_words_are_those_of_apache() -> None:
    assert words('a "b c" \'d "e\' f\\g "h\\"i"') == ["a", "b c", 'd "e', "f\\g", 'h"i']
    assert words("lang='en US' x") == ["lang='en", "US'", "x"]


@pytest.mark.parametrize("word", ["a", "a b", 'a"b', "", "a\\b", "<a>", "#a"])
def test_a_quoted_word_is_read_as_itself(word: str) -> None:
    assert words(quoted(word)) == [word]


def test_a_continued_directive_is_one(tmp_path: Path) -> None:
    text = "WSGIDaemonProcess a \\\n    processes=3 \\\n    threads=7\nWSGIProcessGroup a\n"
    assert active(converted(tmp_path, text)) == [
        "SetEnv mod_wsgi.process a",
        "SetEnv mod_wsgi.processes 3",
        "SetEnv mod_wsgi.threads 7",
    ]
    assert len(parse(text)) == 2


def test_a_daemon_has_one_process_and_fifteen_threads(tmp_path: Path) -> None:
    lines = active(converted(tmp_path, "WSGIDaemonProcess a\nWSGIProcessGroup a\n"))
    assert "SetEnv mod_wsgi.processes 1" in lines
    assert "SetEnv mod_wsgi.threads 15" in lines


def test_more_threads_than_there_can_be_are_the_most(tmp_path: Path) -> None:
    text = converted(tmp_path, "WSGIDaemonProcess a threads=500\nWSGIProcessGroup a\n")
    assert "SetEnv mod_wsgi.threads 64" in active(text)
    assert "threads=500" in text


def test_every_option_of_a_daemon_is_spoken_of(tmp_path: Path) -> None:
    text = converted(tmp_path, "WSGIDaemonProcess a umask=0007 listen-backlog=9 home=/srv\n")
    for option in ("umask=:", "listen-backlog=:", "home=:"):
        assert f"# mod_wsgi: {option}" in text


@pytest.mark.parametrize(
    ("option", "variable"), [("inactivity-timeout", "idle"), ("request-timeout", "timeout")]
)
@pytest.mark.parametrize(
    ("seconds", "here"), [("120", "120"), ("0", "off"), ("99999", "86400"), ("${TIME}", "${TIME}")]
)
def test_the_times_of_a_daemon_are_those_of_its_processes(
    tmp_path: Path, option: str, variable: str, seconds: str, here: str
) -> None:
    text = converted(tmp_path, f"WSGIDaemonProcess a {option}={seconds}\nWSGIProcessGroup a\n")
    assert f"SetEnv mod_wsgi.{variable} {here}" in active(text)


def test_times_that_a_daemon_does_not_have_are_not_set(tmp_path: Path) -> None:
    text = converted(tmp_path, "WSGIDaemonProcess a\nWSGIProcessGroup a\n")
    assert "mod_wsgi.idle" not in text
    assert "mod_wsgi.timeout" not in text


def test_the_time_of_a_request_is_said_to_be_without_progress(tmp_path: Path) -> None:
    text = converted(tmp_path, "WSGIDaemonProcess a request-timeout=60\n")
    assert "request-timeout=: mod_wsgi.timeout is the time without progress" in text


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ("memory-limit", "mod_wsgi.memory"),
        ("virtual-memory-limit", "mod_wsgi.memory"),
        ("maximum-requests", "mod_wsgi.memory"),
        ("restart-interval", "mod_wsgi.memory"),
        ("cpu-priority", "MOD_WSGI_LIMITS"),
        ("cpu-time-limit", "CPUQuota="),
        ("queue-timeout", "503"),
        ("listen-backlog", "mod_wsgi.concurrency"),
        ("deadlock-timeout", "mod_wsgi.timeout"),
        ("graceful-timeout", "mod_wsgi.timeout"),
        ("shutdown-timeout", "mod_wsgi.timeout"),
        ("eviction-timeout", "mod_wsgi.timeout"),
        ("startup-timeout", "mod_wsgi.timeout"),
        ("interrupt-timeout", "five seconds"),
    ],
)
def test_a_bound_of_a_daemon_has_its_relative_named(
    tmp_path: Path, option: str, named: str
) -> None:
    text = converted(tmp_path, f"WSGIDaemonProcess a {option}=9\nWSGIProcessGroup a\n")
    said = text.replace("\n# mod_wsgi: ", " ").partition(f"{option}=: ")[2]
    assert named in said.partition("=:")[0]


def test_the_site_packages_of_an_environment_name_the_environment(tmp_path: Path) -> None:
    options = "python-path=/srv/code:/srv/venv/lib/python3.9/site-packages"
    text = converted(tmp_path, f"WSGIDaemonProcess a {options}\nWSGIProcessGroup a\n")
    assert "SetEnv mod_wsgi.virtualenv /srv/venv" in active(text)
    assert "SetEnv mod_wsgi.directory /srv/code" in active(text)


def test_the_first_interpreter_is_not_reloaded(tmp_path: Path) -> None:
    lines = active(converted(tmp_path, "WSGIApplicationGroup %{GLOBAL}\n"))
    assert lines == ["SetEnv mod_wsgi.interpreter main_interpreter", "SetEnv mod_wsgi.reload off"]


def test_changed_scripts_are_loaded_unless_that_was_off(tmp_path: Path) -> None:
    mount = "WSGIScriptAlias /a /srv/a.wsgi\n"
    assert "SetEnv mod_wsgi.reload on" in active(converted(tmp_path, mount))
    without = active(converted(tmp_path, "WSGIScriptReloading Off\n" + mount))
    assert "SetEnv mod_wsgi.reload on" not in without


def test_a_mount_stands_behind_each_alias(tmp_path: Path) -> None:
    text = "WSGIScriptAlias / /srv/a.wsgi\n<IfDefine x>\nAlias /s /srv/s\n</IfDefine>\n"
    lines = active(converted(tmp_path, text))
    assert lines.index("Alias /s /srv/s") < lines.index('AliasMatch "^(/.*)$" "/srv/a.wsgi$1"')


def test_a_mount_that_moves_takes_its_conditions_along(tmp_path: Path) -> None:
    text = "<IfDefine x>\nWSGIScriptAlias /a /srv/a.wsgi\n</IfDefine>\nAlias /a/s /srv/s\n"
    lines = active(converted(tmp_path, text))
    assert lines[:3] == ["<IfDefine x>", "</IfDefine>", "Alias /a/s /srv/s"]
    assert lines[-1] == "</IfDefine>"


def test_the_aliases_of_the_server_come_before_those_of_a_host(tmp_path: Path) -> None:
    text = (
        "Alias /icons/ /srv/i/\n<VirtualHost *>\nWSGIScriptAlias / /srv/a.wsgi\n</VirtualHost>\n"
    )
    lines = active(converted(tmp_path, text))
    assert lines.count("Alias /icons/ /srv/i/") == 2


def test_files_that_are_included_are_converted(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "a.conf").write_text("WSGIScriptAlias /a /srv/a.wsgi\n")
    root = tmp_path / "httpd.conf"
    root.write_text("WSGIDaemonProcess d\nInclude sites/*.conf\nAlias /a/static /srv/s\n")
    texts, _ = convert([root])
    assert "Alias /a /srv/a.wsgi" not in active(texts[tmp_path / "sites" / "a.conf"])
    lines = active(texts[root])
    assert lines.index("Alias /a/static /srv/s") < lines.index("Alias /a /srv/a.wsgi")


def test_a_file_of_two_hosts_moves_its_mount_in_both(tmp_path: Path) -> None:
    (tmp_path / "common").write_text("WSGIScriptAlias / /srv/a.wsgi\n")
    root = tmp_path / "httpd.conf"
    plain = "<VirtualHost *:80>\nInclude common\n</VirtualHost>\n"
    root.write_text(plain + plain.replace("</V", "Alias /s /srv/s\n</V"))
    texts, _ = convert([root])
    assert active(texts[root]).count('AliasMatch "^(/.*)$" "/srv/a.wsgi$1"') == 2


def test_the_tree_can_be_written_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("WSGIPassAuthorization On\n")
    root, output = tmp_path / "httpd.conf", tmp_path / "new"
    root.write_text("Include a.conf\n")
    assert main([str(root), "--output", str(output)]) == 0
    assert Path(f"{output}{tmp_path}/a.conf").read_text() == "SetEnv mod_wsgi.authorization on\n"
    assert Path(f"{output}{root}").read_text() == f'Include "{output}{tmp_path}/a.conf"\n'


def test_a_tree_is_written_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("WSGIPassAuthorization On\n")
    root = tmp_path / "httpd.conf"
    root.write_text("Include a.conf\n")
    assert main([str(root)]) == 0
    assert (tmp_path / "a.conf.new").read_text() == "SetEnv mod_wsgi.authorization on\n"
    assert (tmp_path / "a.conf").read_text() == "WSGIPassAuthorization On\n"
    assert not (tmp_path / "httpd.conf.new").exists()


def test_a_file_that_is_missing_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err


SCRIPTS = ("WSGIAccessScript", "WSGIAuthUserScript", "WSGIAuthGroupScript")
SECTIONS = ("Location /a", "Directory /a", "Files a")


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("section", SECTIONS)
def test_what_a_script_protected_stays_closed(tmp_path: Path, script: str, section: str) -> None:
    end = section.split(maxsplit=1)[0]
    text = f"<{section}>\n{script} /srv/x.py\nRequire valid-user\nSatisfy any\n</{end}>\n"
    lines = active(converted(tmp_path, text))
    assert lines[1:3] == ['<If "true">', DENIED]
    assert not {"Require valid-user", "Satisfy any"} & set(lines)


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("line", ["1.3", "2.0", "2.2"])
def test_it_stays_closed_on_old_servers(tmp_path: Path, script: str, line: str) -> None:
    text = f"<Location /a>\n<Limit GET>\nAllow from all\n</Limit>\n{script} /srv/x.py\n</Location>"
    lines = active(converted(tmp_path, text, line=line))
    assert "Deny from all" in lines
    assert "Allow from all" not in lines


def test_a_script_outside_of_sections_closes_the_host(tmp_path: Path) -> None:
    text = "<VirtualHost *>\nWSGIAccessScript /srv/x.py\n</VirtualHost>\n"
    lines = active(converted(tmp_path, text))
    assert lines[1:4] == ['<Location "/">', '<If "true">', DENIED]


def test_a_script_of_an_included_file_closes_each_place(tmp_path: Path) -> None:
    (tmp_path / "auth").write_text("AuthBasicProvider wsgi\nWSGIAuthUserScript /srv/x.py\n")
    root = tmp_path / "httpd.conf"
    place = "<Location /{}>\nInclude auth\n</Location>\n"
    root.write_text(place.format("a") + place.format("b"))
    texts, _ = convert([root])
    assert active(texts[root]).count(DENIED) == 2


@pytest.mark.parametrize("text", ["AuthBasicProvider wsgi", "Require wsgi-group staff"])
def test_what_only_names_the_provider_is_closed(tmp_path: Path, text: str) -> None:
    assert DENIED in active(converted(tmp_path, f"<Location /a>\n{text}\n</Location>\n"))


def test_a_handler_that_was_a_script_is_closed(tmp_path: Path) -> None:
    text = "WSGIHandlerScript own /srv/own.py\n<Location /a>\nSetHandler own\n</Location>\n"
    assert DENIED in active(converted(tmp_path, text))
    lines = active(converted(tmp_path, "WSGIHandlerScript own /srv/own.py\nAddHandler own .x\n"))
    assert lines[0] == '<FilesMatch "\\.(x)(\\.|$)">'
    assert DENIED in lines


def test_a_customers_file_keeps_its_settings(tmp_path: Path) -> None:
    text = "Options ExecCGI\nAddHandler wsgi-script .wsgi .py\nWSGIPassAuthorization On\n"
    assert active(converted(tmp_path, text, name=".htaccess")) == [
        "Options ExecCGI",
        "AddHandler mod_wsgi .wsgi .py",
        "SetEnv mod_wsgi.authorization on",
    ]


def test_a_customer_sets_neither_user_nor_the_servers_processes(tmp_path: Path) -> None:
    (tmp_path / "httpd.conf").write_text("WSGIDaemonProcess shop user=alice\n")
    path = tmp_path / ".htaccess"
    path.write_text("WSGIProcessGroup shop\nWSGIProcessGroup %{GLOBAL}\n")
    texts, _ = convert([tmp_path / "httpd.conf", path])
    lines = active(texts[path])
    assert lines[0] == "SetEnv mod_wsgi.process shop"
    assert not [line for line in lines if "mod_wsgi.user" in line or line.endswith(" off")]


def test_a_customers_file_that_a_script_protected_is_closed(tmp_path: Path) -> None:
    lines = active(converted(tmp_path, "WSGIAccessScript /srv/x.py\n", name=".htaccess"))
    assert lines[:2] == ['<If "true">', DENIED]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SetEnv chosen a", "SetEnv mod_wsgi.interpreter a"),
        ("SetEnvIf Host ^(a) chosen=$1", "SetEnvIf Host ^(a) chosen=$1 mod_wsgi.interpreter=$1"),
        ("RewriteRule ^ - [E=chosen:a]", "RewriteRule ^ - [E=chosen:a,E=mod_wsgi.interpreter:a]"),
    ],
)
def test_a_variable_that_chose_the_group_chooses(tmp_path: Path, line: str, expected: str) -> None:
    text = f"WSGIApplicationGroup %{{ENV:chosen}}\n{line}\n"
    assert expected in active(converted(tmp_path, text))


def test_django_under_mod_python_is_converted(tmp_path: Path) -> None:
    text = """<Location "/shop/">
    SetHandler python-program
    PythonHandler django.core.handlers.modpython
    SetEnv DJANGO_SETTINGS_MODULE shop.settings
    PythonOption django.root /shop
    PythonPath "['/srv/code', '/srv/more'] + sys.path"
    PythonDebug On
</Location>
"""
    assert active(converted(tmp_path, text))[1:-1] == [
        "SetHandler mod_wsgi",
        "SetEnv mod_wsgi.application shop.wsgi",
        "SetEnv DJANGO_SETTINGS_MODULE shop.settings",
        "SetEnv mod_wsgi.environ.DJANGO_SETTINGS_MODULE shop.settings",
        "SetEnv mod_wsgi.script_name /shop",
        "SetEnv mod_wsgi.directory /srv/code:/srv/more",
    ]


def test_trac_under_mod_python_is_converted(tmp_path: Path) -> None:
    text = """<Location /trac>
    SetHandler mod_python
    PythonHandler trac.web.modpython_frontend
    PythonOption TracEnv /srv/trac
    PythonOption TracUriRoot /trac
    PythonInterpreter trac
</Location>
"""
    assert active(converted(tmp_path, text))[1:-1] == [
        "SetHandler mod_wsgi",
        "SetEnv mod_wsgi.application trac.web.main::dispatch_request",
        "SetEnv trac.env_path /srv/trac",
        "SetEnv mod_wsgi.script_name /trac",
        "SetEnv mod_wsgi.interpreter trac",
    ]


def test_moinmoin_under_mod_python_is_converted(tmp_path: Path) -> None:
    text = """<Location /wiki>
    SetHandler python-program
    PythonPath "['/srv/wiki'] + sys.path"
    PythonHandler MoinMoin.request.request_modpython::Request.run
</Location>
"""
    lines = active(converted(tmp_path, text))
    assert "SetEnv mod_wsgi.application moin" in lines
    assert "SetEnv mod_wsgi.directory /srv/wiki" in lines


def test_another_handler_of_mod_python_stays(tmp_path: Path) -> None:
    text = "<Location /a>\n    SetHandler mod_python\n    PythonHandler own\n</Location>\n"
    assert converted(tmp_path, text) == text


SHOP = ("process=shop", "processes=1", "threads=7")
EXECUTING = "Options +ExecCGI"
ASKED = "Require env may_execute"


def test_a_section_of_options_is_a_comment(tmp_path: Path) -> None:
    text = "<WSGIInterpreterOptions process-group=a>\nWSGIPerInterpreterGIL On\n"
    assert not active(converted(tmp_path, text + "</WSGIInterpreterOptions>\n"))
    assert not active(converted(tmp_path, "<WSGIFuture>\nWSGIPythonPath /a\n</WSGIFuture>\n"))


def test_what_has_a_provider_that_is_a_script_is_closed(tmp_path: Path) -> None:
    text = """<AuthnProviderAlias wsgi staff>
    WSGIAuthUserScript /srv/x.py
</AuthnProviderAlias>
<AuthzProviderAlias wsgi-group admins admin>
    WSGIAuthGroupScript /srv/x.py
</AuthzProviderAlias>
<Location /a>
    AuthBasicProvider file staff
    Require valid-user
</Location>
<Location /b>
    Require admins
</Location>
"""
    lines = active(converted(tmp_path, text))
    assert lines[0] == "<Location /a>"
    assert lines.count(DENIED) == 2
    assert not {"Require valid-user", "Require admins"} & set(lines)


def test_a_whole_python_is_no_virtual_environment(tmp_path: Path) -> None:
    text = converted(tmp_path, "WSGIPythonHome /opt/python/lib:/opt/python/lib64\n")
    assert not active(text)
    assert "MOD_WSGI_PYTHON_HOME" in text


@pytest.mark.parametrize(
    "mount",
    [
        'WSGIScriptAliasMatch "^/(a|b)" /srv/code/site.py/$1',
        "WSGIScriptAlias /a /srv/code/site.py/b",
    ],
)
def test_the_rest_of_a_mounts_file_is_no_folder(tmp_path: Path, mount: str) -> None:
    lines = active(converted(tmp_path, mount + "\n"))
    assert "<Directory /srv/code>" in lines
    assert "<Files site.py>" in lines


def test_a_mount_has_the_callable_of_its_files_section(tmp_path: Path) -> None:
    text = """WSGIScriptAlias / /srv/code/site.py
WSGICallableObject other
<Directory /srv>
    WSGICallableObject another
    <Files site.py>
        WSGICallableObject app
    </Files>
</Directory>
"""
    assert "SetEnv mod_wsgi.application site::app" in active(converted(tmp_path, text))
    text = text.replace("<Files site.py>", "<Files else.py>")
    assert "SetEnv mod_wsgi.application site::another" in active(converted(tmp_path, text))


@pytest.mark.parametrize("group", ["WSGIProcessGroup %{ENV:pool}", "process-group=%{ENV:pool}"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("SetEnv pool shop", ["SetEnv mod_wsgi.process shop", "SetEnv mod_wsgi.threads 7"]),
        (
            "SetEnvIf Host ^a pool=shop",
            [f"SetEnvIf Host ^a pool=shop {' '.join(f'mod_wsgi.{each}' for each in SHOP)}"],
        ),
        (
            "RewriteRule ^/a - [E=pool:shop,L]",
            [
                "RewriteRule ^/a - [E=pool:shop,"
                + "".join(f"E=mod_wsgi.{each.replace('=', ':')}," for each in SHOP)
                + "L]"
            ],
        ),
        ("SetEnvIf Host ^(.*) pool=$1", ["SetEnvIf Host ^(.*) pool=$1"]),
    ],
)
def test_a_variable_that_chose_the_process_chooses(
    tmp_path: Path, group: str, line: str, expected: list[str]
) -> None:
    if group.startswith("process-group"):
        group = f"WSGIScriptAlias / /srv/a.wsgi {group}"
    text = converted(tmp_path, f"WSGIDaemonProcess shop threads=7\n{line}\n{group}\n")
    assert set(expected) <= set(active(text))
    assert "%{ENV" not in "".join(active(text))


def test_an_option_of_a_mount_can_name_a_variable(tmp_path: Path) -> None:
    text = "SetEnv chosen a\nWSGIScriptAlias / /srv/a.wsgi application-group=%{ENV:chosen}\n"
    assert "SetEnv mod_wsgi.interpreter a" in active(converted(tmp_path, text))


def test_a_handler_stays_where_programs_may_run(tmp_path: Path) -> None:
    text = f"<Directory /srv/a>\n{EXECUTING}\n</Directory>\n"
    text += "<Directory /srv/a/b>\nSetHandler wsgi-script\n</Directory>\n"
    assert "SetHandler mod_wsgi" in active(converted(tmp_path, text))
    for options in ("", "Options None\n", "Options -ExecCGI\n"):
        closed = f"<Directory /srv/a>\n{options}SetHandler wsgi-script\n</Directory>\n"
        lines = active(converted(tmp_path, closed))
        assert DENIED in lines
        assert "SetHandler mod_wsgi" not in lines
        assert DENIED not in active(converted(tmp_path, closed, line="2.2"))


def test_a_handler_of_all_files_asks_whether_programs_may_run(tmp_path: Path) -> None:
    text = f"AddHandler wsgi-script .wsgi\n<Directory /srv/a>\n{EXECUTING}\n</Directory>\n"
    text += "<Directory /srv/a/b>\nOptions None\n</Directory>\n"
    lines = active(converted(tmp_path, text))
    assert lines[:2] == [
        "AddHandler mod_wsgi .wsgi",
        '<If "%{REQUEST_FILENAME} =~ m#\\.(wsgi)(\\.|$)#">',
    ]
    assert ASKED in lines
    assert lines[lines.index(EXECUTING) + 1] == "SetEnvIf Request_Method . may_execute"
    assert lines[lines.index("Options None") + 1] == "SetEnvIf Request_Method . !may_execute"


def test_a_handler_asks_if_programs_may_not_run_in_a_folder_below(tmp_path: Path) -> None:
    text = f"<Directory /srv/a>\n{EXECUTING}\nAddHandler wsgi-script .wsgi\n</Directory>\n"
    assert ASKED not in active(converted(tmp_path, text))
    text += "<Directory /srv/a/b>\nOptions None\n</Directory>\n"
    assert ASKED in active(converted(tmp_path, text))


def test_a_folder_of_scripts_in_a_location_is_a_directory(tmp_path: Path) -> None:
    text = f"<Location /run>\nSetHandler wsgi-script\n{EXECUTING}\n</Location>\n"
    text = "Alias /run/ /srv/run/\n" + text
    assert active(converted(tmp_path, text))[-4:] == [
        "</Location>",
        "<Directory /srv/run>",
        "SetHandler mod_wsgi",
        "</Directory>",
    ]
