"""A client of a language server that speaks over its standard input and output."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class LanguageServer:
    """Asks a server as an editor does, and keeps the newest diagnostics of each file."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._answers: dict[int, Any] = {}
        self._diagnostics: dict[str, list[dict[str, Any]]] = {}
        self._arrived = threading.Condition()
        self._id = self._version = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def ask(self, method: str, seconds: float = 60, **params: Any) -> Any:
        self._id += 1
        number = self._id
        self._send(id=number, method=method, params=params)
        with self._arrived:
            assert self._arrived.wait_for(lambda: number in self._answers, seconds), f"no answer to {method}"
            return self._answers.pop(number)

    def tell(self, method: str, **params: Any) -> None:
        self._send(method=method, params=params)

    def open(self, file: Path) -> None:
        document = {"uri": file.as_uri(), "languageId": "rego", "version": 0, "text": file.read_text()}
        self.tell("textDocument/didOpen", textDocument=document)

    def change(self, file: Path, text: str) -> None:
        self._version += 1
        document = {"uri": file.as_uri(), "version": self._version}
        self.tell("textDocument/didChange", textDocument=document, contentChanges=[{"text": text}])

    def codes(self, file: Path) -> set[str] | None:
        """Return the codes of a file's diagnostics; ``None`` before any were told."""
        with self._arrived:
            found = self._diagnostics.get(file.as_uri())
        return None if found is None else {str(one["code"]) for one in found}

    def _send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _listen(self) -> None:
        for message in self._messages():
            if "method" in message and "id" in message:
                self._send(id=message["id"], result=None)
                continue
            with self._arrived:
                if message.get("method") == "textDocument/publishDiagnostics":
                    self._diagnostics[message["params"]["uri"]] = message["params"]["diagnostics"]
                elif "id" in message:
                    self._answers[message["id"]] = message.get("result")
                self._arrived.notify_all()

    def _messages(self) -> Iterator[dict[str, Any]]:
        assert self._process.stdout is not None
        size = 0
        for line in iter(self._process.stdout.readline, b""):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                size = int(value)
            elif not line.strip():
                yield json.loads(self._process.stdout.read(size))


@contextmanager
def language_server(*command: str, root: Path) -> Iterator[LanguageServer]:
    """Start a server for the folder that an editor opens."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=root
    ) as process:
        try:
            server = LanguageServer(process)
            folder = {"uri": root.as_uri(), "name": root.name}
            server.ask(
                "initialize",
                processId=None,
                rootUri=folder["uri"],
                workspaceFolders=[folder],
                capabilities={},
            )
            server.tell("initialized")
            yield server
        finally:
            process.kill()
