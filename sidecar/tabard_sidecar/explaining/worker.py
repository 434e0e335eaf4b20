"""Explains one decision in a process of its own: ``python -m tabard_sidecar.explaining.worker``.

Reads a JSON object from standard input, with ``settings`` (the configuration) and ``decision_id``, and writes one to standard
output: ``explanation``, or ``absent``, or ``problem`` with what keeps it from being explained.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabard_opa import Engine

from tabard_sidecar.config import Settings, compile_options
from tabard_sidecar.errors import NoDecision
from tabard_sidecar.explaining.explanation import explain_decision
from tabard_sidecar.explaining.finding import find_decision
from tabard_sidecar.policy.catalogue_source import create_catalogue
from tabard_sidecar.policy.problems import PolicyBrokenError
from tabard_sidecar.records.file_sink import closed_files
from tabard_sidecar.util.jsontext import encode

_NICE = 10


def answer(settings: Settings, decision_id: str) -> dict[str, Any]:
    """Return what is written."""
    log, path = settings.audit.path, settings.policy.path
    if log is None or path is None:
        return {"problem": "the decision log or the policy isn't in a file of this sidecar"}
    files = [*(closed for _, closed in closed_files(log)), log]
    try:
        entry = find_decision(files, decision_id, lambda _: None)
        if entry is None:
            return {"absent": True}
        with Engine() as engine:
            # Nothing but its caller waits for it, and everything else comes first.
            options = replace(compile_options(settings, create_catalogue(settings.catalogue)), patient=True)
            return {"explanation": explain_decision(engine, path, options, entry)}
    except PolicyBrokenError as error:
        return {"problem": f"the policy can't be used: {error.problems[0]}"}
    except NoDecision as error:
        return {"problem": error.message}
    except OSError as error:
        return {"problem": f"{error.filename}: {error.strerror}"}


def main() -> None:
    """Answer once."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The first that the kernel ends if memory gets short, and the last that gets a processor.
    Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.nice(_NICE)
    asked = json.load(sys.stdin.buffer)
    settings = Settings.model_validate(asked["settings"])
    sys.stdout.buffer.write(encode(answer(settings, asked["decision_id"])))


if __name__ == "__main__":
    main()
