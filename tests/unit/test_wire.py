"""Frames between a server's process and an application's: adapters/wire, asked in C.

Each test is a program of its own, with AddressSanitizer. What is read lies in memory that ends
where the packet ends.
"""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from command import TOP

CORE, WIRE = TOP / "core", TOP / "adapters" / "wire"
SOURCES = [
    *(CORE / "request" / f"{name}.c" for name in ("buffer", "check", "process")),
    *sorted(WIRE.glob("*.c")),
]
COMPILE = ("gcc", "-std=c99", "-D_GNU_SOURCE", "-g", "-Wall", "-Werror", f"-I{CORE}", f"-I{WIRE}")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all")

PROGRAM = r"""
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire.h"

static const char *const variables[][2] = {
    {"REQUEST_METHOD", "POST"}, {"EMPTY", ""}, {"mod_wsgi.application", "shop"}};

static void each_env(void *record, wsgi_put *put, void *arg)
{
    size_t i;

    (void)record;
    for (i = 0; i < sizeof variables / sizeof *variables; i++)
        put(arg, variables[i][0], variables[i][1]);
}

static const wsgi_host host = {.each_env = each_env};

static const wsgi_request full = {
    .uri = "/shop/basket", .location = "/shop", .directory = "", .filename = "/srv/shop",
    .path_info = "/basket", .is_file = 1, .site_name = "localhost", .site_port = 8080,
    .scheme = "https", .body_length = 100, .head_only = 1};

static const wsgi_header headers[] = {{"X-One", "1"}, {"X-One", ""}};
static const wsgi_head found = {
    .status = 404, .status_line = "404 Not Found", .content_type = "text/plain",
    .content_length = 12, .headers = headers, .header_count = 2};

static wsgi_buffer packet;

/* Reads the first frame of these bytes, which lie in memory of their size. Returns 1 if it is a
   REQUEST, or a HEAD that may be sent. */
/* Reads every byte of a variable. */
static void measure(void *arg, const char *name, const char *value)
{
    *(size_t *)arg += strlen(name) + strlen(value);
}

static int reads(const char *bytes, size_t size)
{
    char *copy = malloc(size + 1);
    char *at = copy + 1; /* frames are not aligned */
    wsgi_packet all = {at, at + size};
    wsgi_wire_request request;
    wsgi_buffer room = {0};
    wsgi_frame frame;
    wsgi_head head;
    const char *why;
    size_t measured = 0;
    int good = 0;

    if (size > 0)
        memcpy(at, bytes, size);
    while (wsgi_wire_next(&all, &frame) == 1) {
        if (wsgi_wire_get_request(&frame, &request) == 0) {
            wsgi_wire_each_variable(&request, measure, &measured);
            wsgi_wire_each_configured(&request, measure, &measured);
            good = 1;
        }
        good |= wsgi_wire_get_head(&frame, &room, &head, &why) == 0;
    }
    free(room.data);
    free(copy);
    return good;
}

/* The same packet with another size in its first frame. */
static int reads_as(uint32_t size, size_t there)
{
    memcpy(packet.data, &size, sizeof size);
    return reads(packet.data, there);
}

/* Every cut of the packet, with and without a size that says so, and every byte changed. Returns
   how many cuts were read. */
static int torture(void)
{
    uint32_t size, whole = (uint32_t)packet.size;
    int i, value, taken = 0;

    for (size = 0; size < whole; size++) {
        taken += reads(packet.data, size);
        taken += reads_as(size, size) + reads_as(size, whole);
        taken += reads_as(whole + 1 + size, whole);
        reads_as(whole, whole);
    }
    for (i = 0; i < (int)whole; i++)
        for (value = 0; value < 256; value += 5) {
            char before = packet.data[i];

            packet.data[i] = (char)value;
            reads(packet.data, whole);
            packet.data[i] = before;
        }
    return taken;
}

static void show(void *arg, const char *name, const char *value)
{
    (void)arg;
    printf("%%s=%%s\n", name, value);
}

static const char *text(const char *text)
{
    return text != NULL ? text : "NULL";
}

%s

int main(void)
{
%s
    free(packet.data);
    return 0;
}
"""

Asked = Callable[..., list[str]]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wire")
    made = [folder / f"{path.parent.name}-{path.stem}.o" for path in SOURCES]
    for path, to in zip(SOURCES, made, strict=True):
        command = [*COMPILE, *SANITIZERS, "-Wextra", "-c", "-o", str(to), str(path)]
        subprocess.run(command, check=True)
    return [str(path) for path in made]


@pytest.fixture
def asked(objects: list[str], tmp_path: Path) -> Asked:
    """Runs statements of C, and gives the lines that they print."""

    def ask(statements: str, declarations: str = "") -> list[str]:
        source, program = tmp_path / "ask.c", tmp_path / "ask"
        source.write_text(PROGRAM % (declarations, statements))
        flags = ("-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-const-variable")
        command = [
            *COMPILE,
            *SANITIZERS,
            *flags,
            "-o",
            str(program),
            str(source),
            *objects,
            "-pthread",
        ]
        subprocess.run(command, check=True)
        done = subprocess.run([str(program)], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    return ask


# ---- Frames --------------------------------------------------------------------------------


def test_frames_come_out_as_they_went_in(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_packet all;
    wsgi_frame f;

    wsgi_wire_add(&packet, WSGI_FRAME_BODY, WSGI_WIRE_END, 0, "hello", 5);
    wsgi_wire_add(&packet, WSGI_FRAME_DONE, 0, 502, NULL, 0);
    all = (wsgi_packet){packet.data, packet.data + packet.size};
    while (wsgi_wire_next(&all, &f) == 1)
        printf("%d %u %u %.*s\n", f.type, f.flags, f.count, (int)f.size, f.data);
    printf("%d\n", wsgi_wire_next(&all, &f));
    printf("%d\n", wsgi_wire_only(packet.data, packet.size, &f));
    printf("%d\n", wsgi_wire_only(packet.data, packet.size - 8, &f));
    printf("%d\n", wsgi_wire_only(packet.data, 0, &f));"""
    )
    assert told == ["4 2 0 hello", "9 0 502 ", "0", "-1", "0", "-1"]


def test_a_frame_of_an_unknown_type_is_refused(asked: Asked) -> None:
    told = asked(
        r"""
    int type;
    wsgi_frame f;

    for (type = 0; type < 256; type++) {
        packet.size = 0;
        wsgi_wire_add(&packet, type, 0, 0, "x", 1);
        if (wsgi_wire_only(packet.data, packet.size, &f) == 0)
            printf("%d\n", type);
    }"""
    )
    assert told == [str(number) for number in range(1, 12)]


# ---- REQUEST -------------------------------------------------------------------------------


def test_a_request_comes_out_as_it_went_in(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_frame f;
    wsgi_wire_request got;
    const wsgi_request *r = &got.request;

    printf("%d\n", wsgi_wire_put_request(&packet, &full, &host, 5));
    wsgi_buffer_add(&packet, "eager", 5);
    printf("%d\n", wsgi_wire_only(packet.data, packet.size, &f));
    printf("%d\n", wsgi_wire_get_request(&f, &got));
    printf("%s %s %s %s %s\n", r->uri, r->location, text(r->directory), r->filename, r->path_info);
    printf("%s %u %s %s\n", r->site_name, r->site_port, r->scheme, text(r->authorization));
    printf("%d %d %d %d\n", r->is_file, r->may_execute, (int)r->body_length, r->head_only);
    printf("%s %s\n", text((char *)r->htaccess), text(r->record));
    wsgi_wire_each_variable(&got, show, NULL);
    wsgi_wire_each_configured(&got, show, NULL);
    printf("%.*s\n", (int)got.eager_size, got.eager);"""
    )
    assert told == [
        *("0", "0", "0"),
        "/shop/basket /shop  /srv/shop /basket",
        "localhost 8080 https NULL",
        "1 1 100 1",
        "NULL NULL",
        *("REQUEST_METHOD=POST", "EMPTY=", "mod_wsgi.application=shop"),
        "mod_wsgi.application=shop",
        "eager",
    ]


def test_no_cut_and_no_wrong_size_of_a_request_is_read(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_wire_put_request(&packet, &full, &host, 5);
    wsgi_buffer_add(&packet, "eager", 5);
    printf("%d\n", reads(packet.data, packet.size));
    printf("%d\n", torture());"""
    )
    assert told == ["1", "0"]


def test_variables_that_do_not_fit_are_refused_and_not_cut(asked: Asked) -> None:
    told = asked(
        r"""
    char *huge = calloc(1, WSGI_PACKET_MOST);
    wsgi_request r = full;

    memset(huge, 'x', WSGI_PACKET_MOST - 1);
    r.filename = huge;
    printf("%d\n", wsgi_wire_put_request(&packet, &r, &host, 0));
    packet.size = 0;
    printf("%d\n", wsgi_wire_put_request(&packet, &full, &many, 0));
    printf("%d\n", packet.size <= 2 * WSGI_PACKET_MOST);
    free(huge);""",
        r"""
static void each_of_many(void *record, wsgi_put *put, void *arg)
{
    int i;

    (void)record;
    for (i = 0; i < 1000000; i++)
        put(arg, "NAME", "value");
}

static const wsgi_host many = {.each_env = each_of_many};""",
    )
    assert told == ["-2", "-2", "1"]


def test_more_eager_bytes_than_the_body_has_are_refused(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_request r = full;

    r.body_length = 4;
    wsgi_wire_put_request(&packet, &r, &host, 5);
    wsgi_buffer_add(&packet, "eager", 5);
    printf("%d\n", reads(packet.data, packet.size));
    packet.size = 0;
    r.body_length = -1;
    wsgi_wire_put_request(&packet, &r, &host, 5);
    wsgi_buffer_add(&packet, "eager", 5);
    printf("%d\n", reads(packet.data, packet.size));"""
    )
    assert told == ["0", "1"]


# ---- HEAD ----------------------------------------------------------------------------------


def test_a_head_comes_out_as_it_went_in(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_frame f;
    wsgi_buffer room = {0};
    wsgi_head h;
    const char *why = "";
    size_t i;

    printf("%d\n", wsgi_wire_put_head(&packet, &found));
    printf("%d\n", wsgi_wire_only(packet.data, packet.size, &f));
    printf("%d\n", wsgi_wire_get_head(&f, &room, &h, &why));
    printf("%d %s %s %d\n", h.status, h.status_line, h.content_type, (int)h.content_length);
    for (i = 0; i < h.header_count; i++)
        printf("%s: %s\n", h.headers[i].name, h.headers[i].value);
    free(room.data);"""
    )
    assert told == ["0", "0", "0", "404 404 Not Found text/plain 12", "X-One: 1", "X-One: "]


def test_no_cut_and_no_wrong_size_of_a_head_is_read(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_wire_put_head(&packet, &found);
    printf("%d\n", reads(packet.data, packet.size));
    printf("%d\n", torture());"""
    )
    assert told == ["1", "0"]


HEADS = [
    ("h.status = 405;", "status"),
    ('h.status = 101; h.status_line = "101 Switching Protocols";', "status"),
    ('h.status_line = "404 Not\\r\\nFound";', "status"),
    ('h.status_line = "404";', "status"),
    ("h.content_length = -2;", "status"),
    ('h.status = 204; h.status_line = "204 No Content";', "status"),
    ('h.content_type = "text/plain\\n";', "header"),
    ('one.name = "Transfer-Encoding";', "header"),
    ('one.name = "connection";', "header"),
    ('one.name = "Content-Length"; one.value = "7";', "header"),
    ('one.name = "Content-Type";', "header"),
    ('one.name = "";', "header"),
    ('one.name = "Two words";', "header"),
    ('one.value = "1\\r\\nX-Two: 2";', "header"),
]


@pytest.mark.parametrize(("change", "named"), HEADS)
def test_a_head_is_refused_that_no_application_could_have_sent(
    asked: Asked, change: str, named: str
) -> None:
    told = asked(
        rf"""
    wsgi_header one = headers[0];
    wsgi_head h = found;
    wsgi_frame f;
    wsgi_buffer room = {{0}};
    const char *why = "it was taken";

    h.headers = &one;
    h.header_count = 1;
    {change}
    wsgi_wire_put_head(&packet, &h);
    wsgi_wire_only(packet.data, packet.size, &f);
    wsgi_wire_get_head(&f, &room, &h, &why);
    puts(why);
    free(room.data);"""
    )
    assert named in told[0]


def test_a_head_that_does_not_fit_is_refused(asked: Asked) -> None:
    told = asked(
        r"""
    char *huge = calloc(1, WSGI_PACKET_MOST);
    wsgi_header one = {"X-Huge", huge};
    wsgi_head h = found;

    memset(huge, 'x', WSGI_PACKET_MOST - 1);
    h.headers = &one;
    h.header_count = 1;
    printf("%d\n", wsgi_wire_put_head(&packet, &h));
    free(huge);"""
    )
    assert told == ["-2"]


# ---- Sockets -------------------------------------------------------------------------------

SOCKETS = r"""
static int pair[2], got = -1;
static char buffer[WSGI_PACKET_MOST];

static void send_text(int from, const char *text, int fd)
{
    wsgi_chunk parts[] = {{text, 1}, {text + 1, strlen(text) - 1}};

    printf("sent %d\n", wsgi_socket_send(from, parts, 2, fd, 1));
}

static void receive(int from)
{
    long size = wsgi_socket_receive(from, buffer, &got, 1, NULL);

    if (size < 0)
        puts(errno == EPROTO ? "EPROTO" : errno == ECONNRESET ? "ECONNRESET" : strerror(errno));
    else
        printf("%ld %.*s %s\n", size, (int)size, buffer, got >= 0 ? "and a descriptor" : "");
}

static void send_two(int from, int fd)
{
    union { struct cmsghdr head; char bytes[CMSG_SPACE(2 * sizeof(int))]; } control = {{0}};
    struct iovec vector = {"x", 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};
    int fds[2] = {fd, fd};

    control.head.cmsg_level = SOL_SOCKET;
    control.head.cmsg_type = SCM_RIGHTS;
    control.head.cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(&control.head), fds, sizeof fds);
    sendmsg(from, &message, 0);
}

/* The lowest number that is free tells whether a descriptor was leaked. */
static int lowest(void)
{
    int fd = dup(0);

    close(fd);
    return fd;
}
"""


def test_a_packet_comes_whole_and_with_its_descriptor(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_socket_pair(pair);
    send_text(pair[0], "hello", -1);
    send_text(pair[0], "world", 1);
    receive(pair[1]);
    receive(pair[1]);
    printf("%d\n", write(got, "!\n", 2) == 2);""",
        SOCKETS,
    )
    assert sorted(told) == sorted(
        ["sent 0", "sent 0", "5 hello ", "5 world and a descriptor", "!", "1"]
    )


def test_two_descriptors_are_refused_and_closed(asked: Asked) -> None:
    """Another thread closes them."""
    told = asked(
        r"""
    int before, most = 10000;

    wsgi_socket_pair(pair);
    before = lowest();
    send_two(pair[0], 1);
    receive(pair[1]);
    while (lowest() > before && most-- > 0)
        usleep(1000);
    printf("%d %d\n", got, lowest() - before);""",
        SOCKETS,
    )
    assert told == ["EPROTO", "-1 0"]


def test_a_packet_that_is_too_long_is_refused(asked: Asked) -> None:
    told = asked(
        r"""
    static char huge[WSGI_PACKET_MOST + 2];

    memset(huge, 'x', sizeof huge - 1);
    wsgi_socket_pair(pair);
    send_text(pair[0], huge, -1);
    receive(pair[1]);""",
        SOCKETS,
    )
    assert told == ["sent 0", "EPROTO"]


def test_the_end_after_all_was_read_is_no_reset(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_socket_pair(pair);
    send_text(pair[0], "hello", -1);
    receive(pair[1]);
    send_text(pair[1], "world", -1);
    close(pair[1]);
    receive(pair[0]);
    receive(pair[0]);""",
        SOCKETS,
    )
    assert told == ["sent 0", "5 hello ", "sent 0", "5 world ", "0  "]


def test_an_unread_packet_is_a_reset_which_comes_before_what_was_sent(asked: Asked) -> None:
    told = asked(
        r"""
    wsgi_chunk part = {"more", 4};

    wsgi_socket_pair(pair);
    send_text(pair[0], "hello", -1);
    send_text(pair[1], "world", -1);
    close(pair[1]);
    receive(pair[0]);
    receive(pair[0]);
    receive(pair[0]);
    printf("%d\n", wsgi_socket_send(pair[0], &part, 1, -1, 1));
    printf("%d\n", errno == EPIPE);""",
        SOCKETS,
    )
    assert told == ["sent 0", "sent 0", "ECONNRESET", "5 world ", "0  ", "-1", "1"]


def test_a_send_that_may_not_wait_does_not(asked: Asked) -> None:
    told = asked(
        r"""
    static char huge[WSGI_BODY_MOST];
    wsgi_chunk part = {huge, sizeof huge};
    int most = 100;

    wsgi_socket_pair(pair);
    while (most-- > 0 && wsgi_socket_send(pair[0], &part, 1, -1, 0) == 0)
        ;
    printf("%d\n", most > 0 && errno == EAGAIN);""",
        SOCKETS,
    )
    assert told == ["1"]
