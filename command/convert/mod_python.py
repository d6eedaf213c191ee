"""Sections of mod_python, for those of its applications that have a way to be WSGI."""

import re

from .parse import Directive, Section, quoted
from .rules import MOD_PYTHON, comment, set_env, was
from .scopes import directives_of

_DJANGO = "django.core.handlers.modpython"
_TRAC = "trac.web.modpython_frontend"
_MOINMOIN = "moinmoin"

TRAC = "trac.web.main::dispatch_request"
MOIN = "moin"

_OPTIONS = {
    "tracenv": "trac.env_path",
    "tracenvparentdir": "trac.env_parent_dir",
    "traclocale": "trac.locale",
    "tracenvindextemplate": "trac.env_index_template",
    "tractemplatevars": "trac.template_vars",
}
_ROOTS = ("tracuriroot", "trac.uri_root", "django.root")


def application(section: Section) -> str:
    """What mod_wsgi.application must be. Empty if the section has no PythonHandler we know."""
    found = directives_of(section.items)
    handlers = [item.words[0] for item in found if item.lower == "pythonhandler" and item.words]
    module = handlers[0].partition("::")[0].lower() if handlers else ""
    if module == _DJANGO:
        package = _settings(found).rpartition(".")[0]
        return f"{package}.wsgi" if package else "wsgi"
    if module == _TRAC:
        return TRAC
    return MOIN if module.startswith(_MOINMOIN) else ""


def _settings(found: list[Directive]) -> str:
    named = [item.words[1] for item in found if item.words[:1] == ["DJANGO_SETTINGS_MODULE"]]
    return named[0] if named else ""


def line(item: Directive, known: str) -> str | None:
    """A directive of such a section, or None if it stays."""
    indent, first = item.indent, "".join(item.words[:1])
    if item.lower == "sethandler" and first.lower() in MOD_PYTHON:
        return f"{indent}SetHandler mod_wsgi\n"
    if item.lower == "pythonpath":
        path = ":".join(re.findall(r"['\"](/[^'\"]*)['\"]", first))
        return set_env(indent, "directory", path) if path else was(item, "Set mod_wsgi.directory.")
    if item.lower == "pythoninterpreter":
        return set_env(indent, "interpreter", first)
    if item.lower == "pythonautoreload":
        return set_env(indent, "reload", "on" if first.lower() == "on" else "off")
    if item.lower == "setenv" and known not in {TRAC, MOIN}:
        return item.text + set_env(indent, f"environ.{first}", "".join(item.words[1:2]))
    return _other(item, known)


def _other(item: Directive, known: str) -> str | None:
    if item.lower == "pythonhandler":
        return _handler(item, known)
    if item.lower == "pythonoption":
        return _option(item)
    return was(item, "There is no such setting here.") if item.lower[:6] == "python" else None


def _handler(item: Directive, known: str) -> str:
    text = {
        TRAC: "",
        MOIN: "Make a file moin.py as docs/guides/moinmoin.md says, with a callable application.",
    }.get(known, f"Django 1.4 and later make this file, {known}. For an older one, write it.")
    return (comment(item.indent, text) if text else "") + set_env(
        item.indent, "application", known
    )


def _option(item: Directive) -> str:
    name, value, *_ = [*item.words, "", ""]
    if name.lower() in _ROOTS:
        return set_env(item.indent, "script_name", value)
    for option, variable in _OPTIONS.items():
        if name.lower() in {option, variable}:
            return f"{item.indent}SetEnv {variable} {quoted(value)}\n"
    return was(item, "There is no such setting here.")
