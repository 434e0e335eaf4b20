"""A real Vault and a real PostgreSQL, set up by the commands of docs/vault.md and docs/last-mile.md."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hvac
import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric import ec

from tests.components.ports import free_port
from tests.support.components import component
from tests.support.folders import short_folder
from tests.support.markdown import code_of

AGENT = "system:serviceaccount:support:support-agent"
"""Subject of the tokens with which sidecars of tests log in."""

ISSUER = "https://kubernetes.default.svc.cluster.local"
BASE = "dc=example,dc=org"
DIRECTORY_ADMIN = f"cn=admin,{BASE}"
DIRECTORY_PASSWORD = "admin"
_BORN_WITH = "30s"


class TokenIssuer:
    """Signs tokens as a cluster does for its service accounts, and serves the public key."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        body = json.dumps({"keys": [public | {"kid": "1", "use": "sig", "alg": "ES256"}]}).encode()

        class Keys(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Keys)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.jwks_url = f"http://127.0.0.1:{self._server.server_port}/openid/v1/jwks"

    def token(self, audience: str, *, subject: str = AGENT, seconds: float = 600.0) -> str:
        """Return a token for an audience."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": subject, "aud": [audience], "iat": now, "exp": int(now + seconds)}
        return jwt.encode(claims, self._key, "ES256", {"kid": "1"})

    def close(self) -> None:
        """Stop serving the key."""
        self._server.shutdown()
        self._server.server_close()


@dataclass
class PostgresServer:
    """A PostgreSQL server whose database ``orders`` was set up as docs/last-mile.md says."""

    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def admin_url(self) -> str:
        """The database as its superuser."""
        return f"postgresql://postgres:postgres@127.0.0.1:{self.port}/orders"

    @property
    def url(self) -> str:
        """The database without a user."""
        return f"postgresql://127.0.0.1:{self.port}/orders"

    def start(self) -> None:
        """Start it, the first time with the set-up."""
        component("postgres.sh", "start", self.folder, str(self.port))

    def set_up(self) -> None:
        """Make the database by the page's statements."""
        self.psql("CREATE DATABASE orders", database="postgres")
        for _, statements in [*code_of("docs/last-mile.md", "set-up"), *code_of("docs/last-mile.md", "log")]:
            self.psql(statements)

    def psql(self, statements: str, *, database: str = "orders") -> str:
        """Run statements as the superuser with psql, as a reader would; return what it printed."""
        url = f"postgresql://postgres:postgres@127.0.0.1:{self.port}/{database}"
        command = ["psql", "-v", "ON_ERROR_STOP=1", "-qAt", url]
        done = subprocess.run(command, input=statements, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def admin(self) -> psycopg.Connection[Any]:
        """Connect as the superuser."""
        return psycopg.connect(self.admin_url, autocommit=True)

    def connect(self, login: Mapping[str, str], **options: Any) -> psycopg.Connection[Any]:
        """Connect with a login that Vault made."""
        return psycopg.connect(
            self.url, user=login["username"], password=login["password"], autocommit=True, **options
        )

    def refuses(self, login: Mapping[str, str]) -> bool:
        """Tell whether a login is refused."""
        try:
            self.connect(login).close()
        except psycopg.OperationalError as error:
            if not re.search(
                "authentication failed|role .* does not exist|permission denied for database|not permitted to log in",
                str(error),
            ):
                raise
            return True
        return False

    def log(self) -> str:
        """Return everything that the server has logged."""
        return (self.folder / "postgres.log").read_text()

    def stop(self) -> None:
        """End it."""
        component("postgres.sh", "stop", self.folder)


@dataclass
class DirectoryServer:
    """An OpenLDAP server that was set up as docs/last-mile.md says."""

    folder: Path
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Its address."""
        return f"ldap://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, with the page's entries and its rules of access."""
        ((_, access),) = code_of("docs/last-mile.md", "directory-access")
        (self.folder / "access.conf").write_text(access)
        component("openldap.sh", "start", self.folder, str(self.port))
        ((_, entries),) = code_of("docs/last-mile.md", "directory")
        self.add(entries)

    def add(self, entries: str) -> None:
        """Add entries as the administrator."""
        admin = ["-D", DIRECTORY_ADMIN, "-w", DIRECTORY_PASSWORD]
        command = ["ldapadd", "-x", "-H", self.url, *admin]
        subprocess.run(command, input=entries, text=True, capture_output=True, check=True)

    def log(self) -> str:
        """Return everything that the server has logged."""
        return (self.folder / "slapd.log").read_text()

    def stop(self) -> None:
        """End it."""
        component("openldap.sh", "stop", self.folder)


@dataclass
class VaultServer:
    """A running Vault."""

    folder: Path
    address: str
    root_token: str

    def client(self, token: str | None = None) -> hvac.Client:
        """Return a client with a token, by default the root's."""
        return hvac.Client(url=self.address, token=token or self.root_token)

    def set_up(self, issuer: TokenIssuer, postgres: PostgresServer) -> None:
        """Configure it by the commands of docs/vault.md."""
        self.shell(
            *(code for _, code in code_of("docs/vault.md", "set-up")),
            ISSUER=ISSUER,
            ISSUER_JWKS=issuer.jwks_url,
            AGENT=AGENT,
            ORDERS_DATABASE=f"127.0.0.1:{postgres.port}/orders",
            ORDERS_SSLMODE="disable",
        )

    def set_up_engines(self, directory: DirectoryServer) -> None:
        """Configure the further engines of docs/vault.md."""
        self.shell(
            *(code for _, code in code_of("docs/vault.md", "engines")),
            DIRECTORY=directory.url,
            DIRECTORY_ADMIN=f"cn=vault,{BASE}",
            DIRECTORY_PASSWORD="until-vault-changes-it",
        )

    def shell(self, *commands: str, **environment: str) -> str:
        """Run commands of a page in the server's folder; return what they printed."""
        programs = str(Path(component("vault.sh", "install")).parent)
        variables = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "VAULT_ADDR": self.address,
            "VAULT_TOKEN": self.root_token,
            "GODEBUG": "x509negativeserial=1",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(commands)],
            cwd=self.folder,
            env=variables | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def login(self, token: str, *, role: str = "tabard", mount: str = "jwt") -> hvac.Client:
        """Log in with a platform's token, as a sidecar does."""
        answer = self.client("none").adapter.post(
            f"/v1/auth/{mount}/login", json={"role": role, "jwt": token}
        )
        return self.client(answer["auth"]["client_token"])


def make_token(sidecar: hvac.Client, display_name: str, **other: object) -> dict[str, Any]:
    """Have Vault make a credential's token; return the part ``auth`` of its answer."""
    body = {"ttl": _BORN_WITH, "renewable": True, "display_name": display_name, "meta": {"task": "t"}}
    answer = sidecar.adapter.post("/v1/auth/token/create/tabard", json=body | other)
    return answer["auth"]


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """Run a PostgreSQL with the database ``orders`` for the length of a block."""
    with short_folder("pg") as folder:
        server = PostgresServer(folder)
        server.start()
        try:
            server.set_up()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def directory_server() -> Iterator[DirectoryServer]:
    """Run an OpenLDAP server for the length of a block."""
    with short_folder("ldap") as folder:
        server = DirectoryServer(folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def dev_vault() -> Iterator[VaultServer]:
    """Run an empty Vault in memory for the length of a block."""
    with short_folder("vault") as folder:
        address = component("vault.sh", "start", folder, str(free_port()))
        try:
            yield VaultServer(folder, address, "root")
        finally:
            component("vault.sh", "stop", folder)


class KeptVault(VaultServer):
    """An empty Vault that keeps its data, and so can be sealed, killed and started again."""

    def __init__(self, folder: Path, port: int | None = None) -> None:
        self._port = port or free_port()
        super().__init__(folder, f"http://127.0.0.1:{self._port}", "")
        self.start()

    def start(self) -> None:
        """Start and unseal it."""
        self.address = component("vault.sh", "server", self.folder, str(self._port))
        self.root_token = (self.folder / "root-token").read_text()

    unseal = start

    def seal(self) -> None:
        """Seal it: it answers every request with 503."""
        self.client().sys.seal()

    def kill(self) -> None:
        """End it."""
        component("vault.sh", "stop", self.folder)


@contextlib.contextmanager
def kept_vault() -> Iterator[KeptVault]:
    """Run an empty Vault with storage for the length of a block."""
    with short_folder("vault") as folder:
        server = KeptVault(folder)
        try:
            yield server
        finally:
            server.kill()
