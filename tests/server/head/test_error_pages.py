"""mod_wsgi.error_pages: the server's error page in place of an application's body."""

import pytest

from tests.harness.site import Site, message, read_reply

APPLICATION = """
def answer(environ, start_response):
    status = environ["PATH_INFO"].split("/")[-1]
    headers = [("Content-Type", "text/x-mine"), ("Content-Language", "de"), ("ETag", '"1"'),
               ("Retry-After", "7"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"),
               ("WWW-Authenticate", 'Basic realm="mine"')]
    start_response(status + " Mine", headers)
    return [b"the application's own body"]


def unread(environ, start_response):
    start_response("403 Mine", [])
    return [b"the application's own body"]


def pieces(environ, start_response):
    start_response("404 Mine", [("Content-Length", "200")])
    for _ in range(100):
        yield b"xx"


def breaks(environ, start_response):
    start_response("404 Mine", [])
    yield b"the application's own body"
    raise ValueError("on purpose")


def page(environ, start_response):
    status = environ["REDIRECT_STATUS"]
    start_response(status + " Mine", [("Content-Type", "text/plain")])
    return [("page of " + status).encode("ascii")]
"""

FILES = {"paged.py": APPLICATION, "missing.txt": "the file for 404"}

CONFIG = """
DocumentRoot "@{www}"
ErrorDocument 404 /missing.txt
ErrorDocument 403 /page

<Location /app>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.interpreter paged
    SetEnv mod_wsgi.error_pages on
</Location>
<Location /app/answer>
    SetEnv mod_wsgi.application paged::answer
</Location>
<Location /app/unread>
    SetEnv mod_wsgi.application paged::unread
</Location>
<Location /app/pieces>
    SetEnv mod_wsgi.application paged::pieces
</Location>
<Location /app/breaks>
    SetEnv mod_wsgi.application paged::breaks
</Location>
<Location /app/own>
    SetEnv mod_wsgi.application paged::answer
    SetEnv mod_wsgi.error_pages off
</Location>
<Location /page>
    SetHandler mod_wsgi
    SetEnv mod_wsgi.directory "@{www}"
    SetEnv mod_wsgi.interpreter paged
    SetEnv mod_wsgi.application paged::page
    SetEnv mod_wsgi.error_pages on
</Location>
"""

OWN = b"the application's own body"


def test_the_error_document_takes_the_place_of_the_body(site: Site) -> None:
    reply = site.ask("/app/answer/404")
    assert (reply.status, reply.body) == (404, b"the file for 404")
    assert reply.header("Content-Type") == "text/plain"


@pytest.mark.parametrize("status", [400, 401, 410, 500, 503])
def test_the_servers_own_page_comes_where_there_is_no_document(site: Site, status: int) -> None:
    reply = site.ask(f"/app/answer/{status}")
    assert reply.status == status
    assert b"<h1>" in reply.body.lower()
    assert OWN not in reply.body


def test_headers_go_along_unless_they_are_about_the_body(site: Site) -> None:
    reply = site.ask("/app/answer/401")
    assert reply.header("WWW-Authenticate") == 'Basic realm="mine"'
    assert reply.header("Retry-After") == "7"
    assert [value for name, value in reply.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    assert reply.header("ETag") is None
    assert reply.header("Content-Language") is None
    assert "x-mine" not in (reply.header("Content-Type") or "")


@pytest.mark.parametrize("status", [200, 302, 399, 600])
def test_another_status_keeps_its_body(site: Site, status: int) -> None:
    reply = site.ask(f"/app/answer/{status}")
    assert (reply.status, reply.body) == (status, OWN)


def test_a_body_is_the_applications_unless_it_is_switched_on(site: Site) -> None:
    reply = site.ask("/app/own/404")
    assert (reply.status, reply.reason, reply.body) == (404, "Mine", OWN)


def test_a_document_may_be_an_application_which_sends_its_own_body(site: Site) -> None:
    reply = site.ask("/app/unread")
    assert (reply.status, reply.body) == (403, b"page of 403")


def test_a_body_in_pieces_is_replaced_too(site: Site) -> None:
    reply = site.ask("/app/pieces")
    assert (reply.status, reply.body) == (404, b"the file for 404")


def test_an_application_that_breaks_after_its_head_still_gets_the_page(site: Site) -> None:
    site.expects_traceback("ValueError: on purpose")
    reply = site.ask("/app/breaks")
    assert (reply.status, reply.body) == (404, b"the file for 404")


def test_a_connection_is_kept_behind_the_page(site: Site) -> None:
    stay = {"Connection": "keep-alive"}
    with site.connect() as connection:
        connection.sendall(message("/app/answer/404", headers=stay))
        first = read_reply(connection)
        connection.sendall(message("/app/answer/404"))
        second = read_reply(connection)
    assert (first.status, first.body) == (second.status, second.body) == (404, b"the file for 404")


def test_a_body_that_was_not_read_is_no_next_request(site: Site) -> None:
    reply = site.ask("/app/unread", method="POST", body=b"GET /other HTTP/1.1\r\n\r\n" * 10)
    assert (reply.status, reply.body) == (403, b"page of 403")


def test_head_gets_no_body(site: Site) -> None:
    answer = site.raw(message("/app/answer/404", "HEAD"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404 ")
    assert body == b""
