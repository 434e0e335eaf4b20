"""Generate the Python code of the API into the SDK.

Run as ``make generate``; CI runs it with ``--check`` and fails when the committed code differs.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import sys
import tempfile
from importlib import resources
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "sdk" / "tabard" / "authz" / "v1"


def generate(out: Path) -> None:
    """Write messages, stubs and type information below ``out``."""
    includes = [ROOT / "proto", resources.files("grpc_tools") / "_proto"]
    # google/rpc/*.proto ships inside googleapis-common-protos.
    import google.rpc  # noqa: PLC0415 - a namespace package, only needed here

    includes.append(Path(next(iter(google.rpc.__path__))).parent.parent)
    sources = sorted(str(p.relative_to(ROOT / "proto")) for p in (ROOT / "proto").rglob("*.proto"))
    arguments = [
        "protoc",
        *(f"-I{path}" for path in includes),
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        *sources,
    ]
    # protoc finds its plugins on PATH; they are installed beside this interpreter.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    if protoc.main(arguments) != 0:
        sys.exit("protoc failed; its message stands above")


def main() -> int:
    """Generate, or with ``--check`` compare with what is committed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 on a difference")
    check = parser.parse_args().check
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {p.name: p for p in (Path(folder) / "tabard" / "authz" / "v1").glob("*_pb2*")}
        # Files without a service get an empty gRPC module, which isn't used.
        fresh = {name: p for name, p in fresh.items() if "_grpc" not in name or "service" in name}
        if check:
            old = {p.name: p for p in TARGET.glob("*_pb2*")}
            stale = sorted(
                name
                for name in fresh.keys() | old.keys()
                if name not in fresh
                or name not in old
                or not filecmp.cmp(fresh[name], old[name], shallow=False)
            )
            if stale:
                sys.stderr.write(f"generated code is out of step: {', '.join(stale)}; run `make generate`\n")
            return 1 if stale else 0
        TARGET.mkdir(parents=True, exist_ok=True)
        for path in TARGET.glob("*_pb2*"):
            path.unlink()
        for name, path in fresh.items():
            (TARGET / name).write_bytes(path.read_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
