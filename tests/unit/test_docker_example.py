"""The image of examples/docker, built and asked. The image debian:12 must be there, or be had."""

import shutil
import subprocess
from collections.abc import Iterator

import pytest

from command import httpd
from tests.harness import programs

pytestmark = pytest.mark.slow

IMAGE = "mod_wsgi-example-of-the-tests"


def docker(*words: str) -> str:
    return programs.run("docker", *words, seconds=900).strip()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    if (
        shutil.which("docker") is None
        or subprocess.run(["docker", "info"], check=False).returncode
    ):
        pytest.skip("no docker that answers")
    docker("build", "--file", "examples/docker/Dockerfile", "--tag", IMAGE, ".")
    yield IMAGE
    docker("rmi", "--no-prune", IMAGE)


@pytest.fixture
def port(image: str) -> Iterator[int]:
    """A port of this machine behind which a container of the image is."""
    chosen = httpd.free_port()
    published = f"127.0.0.1:{chosen}:80"
    docker("run", "--detach", "--name", IMAGE, "--env", "GREETING=Moin", "-p", published, image)
    yield chosen
    docker("rm", "--force", IMAGE)


def test_the_image_serves_and_stops(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    assert programs.first_answer(f"{url}/") == "Moin from shop\n"
    assert "sans-serif" in programs.first_answer(f"{url}/static/site.css")
    docker("stop", "--time", "20", IMAGE)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", IMAGE) == "0"
    assert "resuming normal operations" in docker("logs", IMAGE)
