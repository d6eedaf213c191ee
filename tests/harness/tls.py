"""An Apache that speaks TLS, with a certificate for nobody, and a client that does not mind."""

import socket
import ssl
import subprocess
from pathlib import Path

import pytest

from tests.harness.cells import Cell
from tests.harness.site import Reply, Site, message, read_reply

# The plain server stays where it is; this one listens at another address.
CONFIG = """
@{base}
@{applications}
LoadModule socache_shmcb_module "@{modules}/mod_socache_shmcb.so"
LoadModule ssl_module "@{modules}/mod_ssl.so"
Listen 127.0.0.2:@{port} https
<VirtualHost 127.0.0.2:@{port}>
    SSLEngine on
    SSLCertificateFile "@{www}/cert.pem"
    SSLCertificateKeyFile "@{www}/key.pem"
    SSLOptions +StdEnvVars
</VirtualHost>
"""


def need(cell: Cell) -> None:
    """Skips the test where the server was built without TLS."""
    if not (cell.server.modules / "mod_ssl.so").exists():
        pytest.skip("mod_ssl: this Apache was built without it; duty 19 is tested with SetEnv")


def certificate(folder: Path) -> dict[str, str]:
    """A key and a certificate for nobody, as files for the server."""
    made = ("key.pem", "cert.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-keyout", made[0], "-out", made[1]]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    return {name: (folder / name).read_text() for name in made}


def ask(site: Site, target: str) -> Reply:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.2", site.port), timeout=10) as plain,
        context.wrap_socket(plain) as connection,
    ):
        connection.sendall(message(target))
        return read_reply(connection)
