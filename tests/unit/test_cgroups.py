"""The spawner gives each customer a cgroup, where the system lets it.

systemd marks what it gives to a service: here the tests do.
"""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import cgroups
from tests.harness.cgroups import MARK, Cgroup
from tests.unit import test_spawner
from tests.unit.test_spawner import ALICE, MALLORY, Given, Spawner, ask_as, lives, running, until

# Fixtures of test_spawner.
folder, program, users = test_spawner.folder, test_spawner.program, test_spawner.users

# Each process may have 64 MB before the system refuses it more, and some for threads and
# processors. Two of them may have 64 MB in all.
LIMITS = "processes=2 memory=32 nproc=24 nice=7"
TOO_MUCH = "len(b'x' * (90 << 20))"


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    with cgroups.made() as given:
        yield given


Start = Callable[..., Spawner]


@pytest.fixture
def start(cgroup: Cgroup, folder: Path, users: None) -> Iterator[Start]:  # noqa: ARG001
    """Starts a spawner there."""
    with contextlib.ExitStack() as stack:

        def begin(inside: str = "", **environ: str) -> Spawner:
            place, given = cgroup.path / inside, {"MOD_WSGI_LIMITS": LIMITS, **environ}
            return stack.enter_context(running(folder, given, cgroup=place))

        yield begin


@pytest.fixture
def spawner(cgroup: Cgroup, start: Start) -> Spawner:
    cgroup.mark()
    return start()


def customer(spawner: Spawner, user: int, name: str = "shop", idle: int = 300) -> Given:
    return spawner.given(f"#{user}", customer=True, name=name, memory=32, idle=idle)


@cgroups.needed
def test_the_processes_of_a_customer_have_a_cgroup(spawner: Spawner, cgroup: Cgroup) -> None:
    shop, blog = customer(spawner, ALICE), customer(spawner, ALICE, "blog")
    assert cgroup.pids(f"customers/{ALICE}") == {shop.pid, blog.pid}
    other = customer(spawner, MALLORY)
    assert cgroup.pids(f"customers/{MALLORY}") == {other.pid}
    spawner.logs("MW0752: each customer has a cgroup below /mod_wsgi-test-.*: memory pids")


@cgroups.needed
def test_who_asks_for_processes_of_its_own_has_them_in_its_cgroup(
    spawner: Spawner, cgroup: Cgroup
) -> None:
    """As code of a user does in a child of the server that has become that user."""
    own, asked = customer(spawner, ALICE), ask_as(ALICE, spawner, f"#{ALICE}", name="blog")
    assert isinstance(asked, Given)
    assert cgroup.pids(f"customers/{ALICE}") == {own.pid, asked.pid}


@cgroups.needed
def test_processes_of_no_customer_stay_with_the_server(spawner: Spawner, cgroup: Cgroup) -> None:
    own, named = spawner.given(), spawner.given("wsgi-alice")
    assert cgroup.pids("server") == {spawner.process.pid, own.pid, named.pid}


@cgroups.needed
def test_a_cgroup_has_the_bounds_of_all_processes_together(
    spawner: Spawner, cgroup: Cgroup
) -> None:
    customer(spawner, ALICE)
    bounds = [cgroup.read(ALICE, f"{name}.max") for name in ("memory", "memory.swap", "pids")]
    assert bounds == [str(64 << 20), "0", "24"]


@cgroups.needed
@cgroups.cpu_needed
def test_customers_have_equal_parts_of_the_processor(spawner: Spawner, cgroup: Cgroup) -> None:
    customer(spawner, ALICE)
    assert cgroup.read(ALICE, "cpu.weight") == "100"
    assert (cgroup.path / "customers" / "cpu.weight.nice").read_text() == "7\n"


@cgroups.needed
@pytest.mark.parametrize("word", ["memory", "processes"])
def test_a_limit_that_is_off_bounds_nothing(cgroup: Cgroup, start: Start, word: str) -> None:
    cgroup.mark()
    customer(start(MOD_WSGI_LIMITS=f"{word}=off nproc=off"), ALICE)
    assert cgroup.read(ALICE, "memory.max") == cgroup.read(ALICE, "pids.max") == "max"


@cgroups.needed
def test_a_customer_can_change_nothing(spawner: Spawner) -> None:
    shop = customer(spawner, ALICE)
    place = "'/sys/fs/cgroup' + open('/proc/self/cgroup').read().split(':', 2)[2].strip()"
    files = ("memory.max", "pids.max", "cgroup.procs", "../../server/cgroup.procs")
    tries = ", ".join(f"error_of(lambda: open({place} + '/{file}', 'w'))" for file in files)
    assert shop.ask(f"[{tries}, error_of(lambda: os.mkdir({place} + '/x'))]") == [
        "PermissionError"
    ] * (len(files) + 1)
    assert shop.ask(f"open({place} + '/memory.max').read()") == f"{64 << 20}\n"


@cgroups.needed
def test_the_system_kills_who_has_too_much(spawner: Spawner) -> None:
    other, shop = customer(spawner, MALLORY), customer(spawner, ALICE)
    shop.tell(TOO_MUCH)
    assert shop.ends()
    why = "together they have the 64 MB that MOD_WSGI_LIMITS allows, processes=2 times memory=32"
    spawner.logs(f"MW0750: the system has killed 1 of the processes of the user {ALICE}: {why}")
    spawner.logs(f"MW0707: process {shop.pid} of wsgi-alice/shop: signal 9")
    assert other.ask("1 + 1") == 2


@cgroups.needed
def test_what_an_application_has_started_counts(spawner: Spawner) -> None:
    """The system kills the largest process, and not the application's."""
    shop = customer(spawner, ALICE)
    words = ["/usr/bin/python3", "-c", f"import time; {TOO_MUCH}; time.sleep(99)"]
    status = shop.ask(f"__import__('subprocess').run({words}).returncode")
    assert status == -signal.SIGKILL
    spawner.logs(f"MW0750: the system has killed 1 of the processes of the user {ALICE}")
    assert shop.ask("1 + 1") == 2
    assert "MW0707" not in spawner.text()


@cgroups.needed
def test_no_more_processes_than_nproc(spawner: Spawner, cgroup: Cgroup) -> None:
    shop = customer(spawner, ALICE)
    made = shop.ask("fork_all(100)")
    assert made <= 23
    assert int(cgroup.read(ALICE, "pids.current")) == made + 1
    assert customer(spawner, MALLORY).ask("1 + 1") == 2


@cgroups.needed
def test_a_cgroup_goes_with_the_last_process(spawner: Spawner, cgroup: Cgroup) -> None:
    shop, blog = customer(spawner, ALICE, idle=1), customer(spawner, ALICE, "blog")
    assert until(lambda: not lives(shop.pid))
    assert cgroup.pids(f"customers/{ALICE}") == {blog.pid}
    blog.tell("die(0)")
    assert until(lambda: cgroup.pids(f"customers/{ALICE}") - {blog.pid})  # another in its place


@cgroups.needed
def test_a_cgroup_goes_with_an_idle_process(spawner: Spawner, cgroup: Cgroup) -> None:
    customer(spawner, ALICE, idle=1)
    assert cgroup.of(ALICE).exists()
    assert until(lambda: not cgroup.of(ALICE).exists())
    customer(spawner, ALICE)
    assert cgroup.of(ALICE).exists()


@cgroups.needed
def test_what_was_left_behind_stays_there(spawner: Spawner, cgroup: Cgroup) -> None:
    words = "['sleep', '600'], start_new_session=True"
    shop = customer(spawner, ALICE, idle=1)
    left = shop.ask(f"__import__('subprocess').Popen({words}).pid")
    assert until(lambda: cgroup.pids(f"customers/{ALICE}") == {left} or None)
    os.kill(left, signal.SIGKILL)
    assert until(lambda: not cgroup.of(ALICE).exists())


@cgroups.needed
@pytest.mark.usefixtures("users")
def test_no_cgroup_is_left_when_the_server_ends(cgroup: Cgroup, folder: Path) -> None:
    cgroup.mark()
    with running(folder, {}, cgroup=cgroup.path) as spawner:
        customer(spawner, ALICE)
    assert not cgroup.of(ALICE).exists()


@cgroups.needed
def test_the_next_spawner_takes_over_the_cgroups(cgroup: Cgroup, start: Start) -> None:
    """One whose spawner was killed is empty soon, and it is the next one's."""
    cgroup.mark()
    first = start()
    shop = customer(first, ALICE)
    first.process.kill()
    assert shop.ends()
    second = start("server")
    assert until(lambda: not cgroup.of(ALICE).exists() or not lives(shop.pid))
    shop = customer(second, ALICE)
    assert cgroup.pids(f"customers/{ALICE}") == {shop.pid}
    assert cgroup.pids("server") == {second.process.pid}


@cgroups.needed
def test_the_server_may_have_been_started_below(cgroup: Cgroup, start: Start) -> None:
    """As with DelegateSubgroup= of systemd."""
    cgroup.mark()
    (cgroup.path / "main").mkdir()
    shop = customer(start("main"), ALICE)
    assert cgroup.pids(f"customers/{ALICE}") == {shop.pid}
    assert not (cgroup.path / "server").exists()


@cgroups.needed
def test_without_the_mark_of_systemd_nothing_changes(cgroup: Cgroup, start: Start) -> None:
    spawner = start()
    shop = customer(spawner, ALICE)
    assert cgroup.pids("") == {spawner.process.pid, shop.pid}
    assert not [each for each in cgroup.path.iterdir() if each.is_dir()]
    assert "MW075" not in spawner.text()


@cgroups.needed
def test_a_cgroup_that_can_limit_nothing_is_told(cgroup: Cgroup, start: Start) -> None:
    """The cgroup is given, but those above it limit nothing."""
    middle = cgroup.path / "middle"
    middle.mkdir()
    os.setxattr(middle, MARK, b"1")
    spawner = start("middle")
    spawner.logs("MW0751: .* /mod_wsgi-test-.*/middle .*: it can limit neither memory nor pids")
    assert customer(spawner, ALICE).ask("1 + 1") == 2


@cgroups.needed
def test_a_process_that_is_not_in_its_cgroup_is_told(spawner: Spawner, cgroup: Cgroup) -> None:
    spawner.logs("MW0752")
    (cgroup.path / "customers" / "cgroup.max.descendants").write_text("0")
    assert customer(spawner, ALICE).ask("1 + 1") == 2
    spawner.logs("MW0753: this process is not in its user's cgroup: Resource temporarily")
