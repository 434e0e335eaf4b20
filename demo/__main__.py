"""Implements ``make demo``: plays the scenario with real sidecars and shows the results.

Exits 0 only if every expected allow and deny happened.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from demo import screen
from demo.callbacks import DeskWorld
from demo.scenario import Story, play


async def _run(folder: Path, console: Console) -> Story:
    began = time.perf_counter()
    with console.status("starting six sidecars", spinner="line") as status:

        def progress(text: str) -> None:
            if console.is_terminal:
                status.update(text)
            else:
                console.print(f"{time.perf_counter() - began:5.1f} s  {text}")

        async with DeskWorld(folder) as world:
            progress(f"six sidecars are ready after {time.perf_counter() - began:.1f} s")
            return await play(world, progress)


def main() -> int:
    """Run the demo."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print what happened as JSON, for scripts")
    parser.add_argument(
        "--keep", action="store_true", help="keep configuration, logs and state, and say where they are"
    )
    options = parser.parse_args()
    # Progress goes to standard error, so that --json leaves standard output to the document.
    console = Console(stderr=True, highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="tabard-demo-"))
    try:
        story = asyncio.run(_run(folder, console))
    except RuntimeError as error:
        console.print(f"the demo can't run: {error}", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("interrupted; every sidecar was stopped")
        return 130
    finally:
        if options.keep:
            console.print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        sys.stdout.write(story.as_json() + "\n")
    else:
        screen.show(story, Console(highlight=False))
    return 0 if story.met else 1


if __name__ == "__main__":
    sys.exit(main())
