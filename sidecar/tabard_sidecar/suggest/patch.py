"""Writes new files as a unified diff that ``git apply`` and ``patch`` take."""

from __future__ import annotations

from collections.abc import Mapping


def patch_text(files: Mapping[str, str]) -> str:
    """Return a diff that creates files, by their path; each ends with a line break."""
    parts = []
    for name, text in files.items():
        lines = text.split("\n")[:-1]
        parts += [
            f"diff --git a/{name} b/{name}",
            "new file mode 100644",
            "--- /dev/null",
            f"+++ b/{name}",
            f"@@ -0,0 +1,{len(lines)} @@",
            *(f"+{line}" for line in lines),
        ]
    return "\n".join(parts) + "\n"
