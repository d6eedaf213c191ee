"""The command mod_wsgi: its first word says what to do."""

import sys
from collections.abc import Callable, Sequence

from . import DATA, convert, doctor, serve, site

USAGE = """usage: mod_wsgi VERB [ARGUMENT...]

  serve [APP]    serves a WSGI application on 127.0.0.1 until Ctrl-C
  config APP     prints the configuration of a site, for Apache 1.3 to 2.4
  module-config  prints what loads the module
  doctor [CONF]  says what is wrong with a server's configuration, and what mends it
  convert FILE   reads directives of the other mod_wsgi or of mod_python, prints variables

mod_wsgi VERB --help lists the options of a verb. mod_wsgi --version prints the version."""

VERBS: dict[str, Callable[[Sequence[str], str], int]] = {
    "serve": serve.main,
    "config": site.main,
    "module-config": site.module_config,
    "doctor": doctor.main,
    "convert": lambda words, _: convert.main(words),
}


def main(words: Sequence[str] | None = None) -> int:
    """Does what the words say. Returns the exit status: 2 if they make no sense."""
    verb, *rest = [*(sys.argv[1:] if words is None else words), ""]
    if verb in VERBS:
        return VERBS[verb](rest[:-1], f"mod_wsgi {verb}")
    if verb in {"", "help", "-h", "--help"}:
        print(USAGE)
        return 0
    if verb == "--version":
        print(f"mod_wsgi {(DATA / 'VERSION').read_text().strip()}")
        return 0
    print(f"{USAGE}\n\nmod_wsgi: unknown verb: {verb}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
