"""sys.stdout, sys.stderr, wsgi.errors and wsgi.input are streams as Python's own."""

import pytest

from tests.harness.site import Site

STREAMS = ["stdout", "stderr", "errors"]
LINES = b"first\nsecond line\r\n\nlast without end"
ONLY_3 = pytest.mark.pythons("3.*")


def test_the_streams_have_every_name_that_pythons_own_have(site: Site) -> None:
    """An io.TextIOWrapper with a buffer; on Python 2 a file."""
    for missing in site.ask("/texts/lack").json().values():
        assert missing == []


def test_the_streams_say_what_they_are(site: Site, version: str) -> None:
    said = site.ask("/texts/attributes").json()
    for name in STREAMS:
        shown = "wsgi.errors" if name == "errors" else name
        assert said[name] == {
            "encoding": "utf-8",
            "mode": "w",
            "newlines": None,
            "closed": False,
            "line_buffering": True,
            "write_through": False,
            "name": f"<{shown}>",
            "errors": "replace" if version.startswith("2.") else "backslashreplace",
            "can": [False, True, False],
            "isatty": False,
        }


def test_a_stream_refuses_what_a_log_cannot_do(site: Site) -> None:
    """To read, to seek, to give a descriptor: io.UnsupportedOperation, as io has it."""
    assert site.ask("/texts/refusals").json() == {name: [] for name in STREAMS}


@ONLY_3
def test_the_streams_are_those_of_io(site: Site) -> None:
    seen = site.ask("/texts/kinds").json()
    assert seen == {name: [True, True, True, False, True] for name in STREAMS}


@ONLY_3
def test_write_returns_how_much_was_written(site: Site) -> None:
    site.tolerates("caf|1234")
    assert site.ask("/texts/sizes").json() == {name: [5, 5] for name in STREAMS}


@ONLY_3
def test_bytes_and_text_make_one_line(site: Site) -> None:
    site.tolerates("bytes and text")
    assert site.ask("/texts/bytes_and_text").text == "logged"
    for name in STREAMS:
        assert site.watch.wait_for(rf"\] (mod_wsgi: )?bytes and text of {name}$")


def test_a_stream_that_was_closed_is_open_for_others(site: Site) -> None:
    site.tolerates("closed|open|and bytes")
    assert site.ask("/texts/closes").json() == [False] * 3
    for name in STREAMS:
        assert site.watch.wait_for(rf"\] (mod_wsgi: )?closed {name}$")
        assert site.watch.wait_for(rf"\] (mod_wsgi: )?open {name}$")


@ONLY_3
def test_a_stream_can_be_wrapped_and_used(site: Site) -> None:
    """By codecs and io.TextIOWrapper, around what buffer and detach() give."""
    site.tolerates("wrapped")
    assert site.ask("/texts/wrapped").text == "logged"
    for name in STREAMS:
        assert site.watch.wait_for(rf"\] (mod_wsgi: )?wrapped {name}$")
        assert site.watch.wait_for(rf"\] (mod_wsgi: )?unwrapped {name}$")


def test_a_stream_takes_what_reconfigure_takes(site: Site) -> None:
    assert site.ask("/texts/reconfigured").text == "reconfigured"


@ONLY_3
def test_faulthandler_writes_to_the_log(site: Site) -> None:
    assert site.ask("/texts/faults").json() is True
    assert site.watch.wait_for(r"most recent call first")
    assert site.watch.wait_for(r"texts\.py.* line \d+ in faults$")


@ONLY_3
def test_faulthandler_writes_to_an_applications_own_file(site: Site) -> None:
    assert site.ask("/texts/faults_in_a_file").text == "there"


def test_there_is_a_file_that_is_the_log(site: Site) -> None:
    """Descriptor 2: what a program writes that is started with it is there as well."""
    site.tolerates("by sys.__stderr__")
    assert site.ask("/texts/by_the_file").json() == [2, True]
    assert site.watch.wait_for(r"(^|: )by sys\.__stderr__$")


def test_a_stream_in_a_circle_is_garbage(site: Site) -> None:
    assert site.ask("/texts/keeps_names").json() is True


@pytest.mark.needs("wrapped-input")
@pytest.mark.parametrize("size", ["none", "small", "large"])
@pytest.mark.parametrize("kind", ["buffered", "lines", "text", "directly"])
def test_the_body_can_be_wrapped(site: Site, kind: str, size: str) -> None:
    """By io.BufferedReader and io.TextIOWrapper; what they have read is gone, and no error."""
    body = {"none": b"", "small": LINES, "large": LINES * 5000}[size]
    reply = site.ask(f"/texts/input_wrapped?{kind}", method="POST", body=body)
    assert reply.status == 200
    expected = body.replace(b"\r\n", b"\n") if kind == "text" else body
    assert reply.body == expected


@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 16384, 100_000])
def test_each_byte_of_the_body_is_read_once(site: Site, size: int) -> None:
    """By whatever methods, in order."""
    body = bytes(range(251)) * (size // 251) + bytes(size % 251)
    reply = site.ask("/texts/input_in_parts", method="POST", body=body)
    assert (reply.status, reply.body) == (200, body)


def test_the_body_says_what_it_is(site: Site) -> None:
    said = site.ask("/texts/input_says", method="POST", body=LINES).json()
    assert said == [[True, False, False, False]] * 2 + ["refused"] * 2


@pytest.mark.needs("wrapped-input")
def test_a_reader_of_a_body_that_is_over_is_told(site: Site) -> None:
    """As who reads it directly; and closing what wraps it is no error."""
    seen = {site.ask("/texts/input_after_its_end").text for _ in range(20)}
    assert seen == {"kept", "RuntimeError"}
