"""A real Kubernetes API server, without nodes and controllers."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.support.components import component

Kubectl = Callable[..., str]


@contextlib.contextmanager
def kube_server() -> Iterator[Path]:
    """Run one, with the plugin that puts token volumes into pods, for the length of a block; its folder.

    The folder holds kubeconfig and apiserver.crt.
    """
    folder = Path(tempfile.mkdtemp(prefix="tabard-kube-"))
    before = os.environ.get("KUBE_DISABLED_ADMISSION")
    os.environ["KUBE_DISABLED_ADMISSION"] = ""
    try:
        component("kube.sh", "start", folder)
        yield folder
    finally:
        component("kube.sh", "stop", folder)
        if before is None:
            del os.environ["KUBE_DISABLED_ADMISSION"]
        else:
            os.environ["KUBE_DISABLED_ADMISSION"] = before
        shutil.rmtree(folder)


def kubectl_of(cluster: Path) -> Kubectl:
    """Return a function that runs kubectl as the administrator and gives what it printed; ``given`` is its standard input.

    Of a command that succeeds with ``--output`` or ``-o``, that is standard output only: kubectl tells on standard error
    when it waits, which would be read as part of the document.
    """
    program = Path(component("kube-install.sh")) / "kubectl"

    def run(*arguments: str, check: bool = True, given: str = "") -> str:
        answer = subprocess.run(
            [str(program), "--kubeconfig", str(cluster / "kubeconfig"), *arguments],
            input=given,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or answer.returncode == 0, answer.stderr
        printed = any(one == "-o" or one.startswith("--output") for one in arguments)
        return answer.stdout if printed and answer.returncode == 0 else answer.stdout + answer.stderr

    return run


@contextlib.contextmanager
def controllers(cluster: Path, *names: str) -> Iterator[None]:
    """Run some of Kubernetes' own controllers for the length of a block.

    Args:
        cluster: the API server's folder; their log is there as well.
        names: as ``tests/components/kube/manager`` knows them: ``collector``, ``jobs`` or ``types``.
    """
    program = Path(component("kube-install.sh")) / "manager"
    with (cluster / "manager.log").open("ab") as log:
        running = subprocess.Popen([program, cluster / "kubeconfig", *names], stdout=log, stderr=log)
    try:
        yield
        assert running.poll() is None, (cluster / "manager.log").read_text()[-2000:]
    finally:
        running.terminate()
        running.wait(30)
