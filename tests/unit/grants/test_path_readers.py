"""A path that `path_under` accepts lies under its folder for every usual reader of paths."""

import ntpath
import os
import posixpath
import subprocess
import tempfile
import unicodedata
import urllib.parse
import urllib.request
import warnings
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tabard.caveats.addresses import compile_path_under

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import nturl2path

BASE = "/srv/data"
under_base = compile_path_under(BASE)

PIECES = [
    "..", ".", "...", "/", "//", "\\", "%2e", "%2E%2e", "%2f", "%252f", "%u002e", "%c0%ae", "%", ";", "..;", ":", "c:", "C:\\",
    "|", "~", "~root", "$UP", "${UP}", "$", "*", "?", "#", " ", "\t", "\n", "\x00", "a", "b.txt", "NUL", "aux.c", "COM1", "\u2024",
    "\u2025", "\u2026", "\uff0e", "\uff0f", "\uff3c", "\u2215", "\u2044", "\u00a5", "\u20a9", "\u2105", "\u200b", "\u00a0",
    "\u202e", "\ud800", "\u0307", "é", "日", "{a,..}", "{..,a}", "[.]", "[!a]", "`echo ..`", "!(x)", "@(.)", "'", "'.'", "&", "+AC4-", "=2e",
]  # fmt: skip
paths = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map(
    lambda parts: f"{BASE}/{''.join(parts)}"
)


def _without_parameters(path):
    """Java servlet containers drop `;…` from each segment before they resolve dots."""
    return posixpath.normpath("/".join(part.split(";")[0] for part in path.split("/")))


def _windows(path):
    """Windows drops dots and spaces at the end of a name."""
    return ntpath.normpath(
        "\\".join(part.rstrip(". ") or part for part in ntpath.splitdrive(path)[1].split("/"))
    )


READERS = {
    "posixpath": posixpath.normpath,
    "posix with ~ and $": lambda path: posixpath.normpath(posixpath.expandvars(posixpath.expanduser(path))),
    "joined": lambda path: posixpath.normpath(posixpath.join("/other", path)),
    "ntpath": lambda path: ntpath.normpath(ntpath.join("D:\\other", path)).removeprefix("D:"),
    "windows names": _windows,
    "each part with ~": lambda path: posixpath.normpath(posixpath.join("/", *map(posixpath.expanduser, path.split("/")))),
    "each part as a drive": lambda path: ntpath.normpath(ntpath.join("\\", *path.split("/"))),
    "pathlib": lambda path: str(PurePosixPath(posixpath.normpath(PurePosixPath(path)))),
    "pathlib on Windows": lambda path: str(PureWindowsPath(ntpath.normpath(PureWindowsPath(path)))),
    "URL path": lambda path: posixpath.normpath(urllib.parse.urlsplit(path).path),
    "joined URL": lambda path: urllib.parse.urlsplit(urllib.parse.urljoin("http://h/x", path)).path,
    "decoded": lambda path: posixpath.normpath(urllib.parse.unquote(path)),
    "decoded twice": lambda path: posixpath.normpath(urllib.parse.unquote(urllib.parse.unquote(path))),
    "file URL": lambda path: posixpath.normpath(urllib.request.url2pathname(path)),
    "file URL on Windows": lambda path: ntpath.normpath(nturl2path.url2pathname(path)),
    "servlet": _without_parameters,
    "normalised": lambda path: posixpath.normpath(unicodedata.normalize("NFKC", path)),
    "backslashes": lambda path: posixpath.normpath(path.replace("\\", "/")),
    "legacy code page": lambda path: posixpath.normpath(path.translate(_BEST_FIT)),
    "up to NUL": lambda path: posixpath.normpath(path.split("\x00")[0]),
    "ignorable characters dropped": lambda path: posixpath.normpath(
        "".join(char for char in path if unicodedata.category(char) != "Cf")
    ),
}  # fmt: skip
_BEST_FIT = str.maketrans("\u2215\u2044\u2216\u00a5\u20a9\uff0e", "//\\\\\\.")


def _is_under(path):
    parts = path.replace("\\", "/").split("/")
    return parts[:3] == ["", "srv", "data"] and ".." not in parts


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_accepted_path_is_under_the_folder_for_each_reader(monkeypatch):
    monkeypatch.setenv("UP", "../..")

    @settings(max_examples=900, deadline=None)
    @example(f"{BASE}/..;/etc")
    @example(f"{BASE}/c:..")
    @example(f"{BASE}/c|../x")
    @example(f"{BASE}/%u002e%u002e/x")
    @example(f"{BASE}/~root/x")
    @example(f"{BASE}/.. /x")
    @example(f"{BASE}/$UP/x")
    @example(f"{BASE}/..#x")
    @example(f"{BASE}/..?x")
    @example(f"{BASE}/a/")
    @given(paths)
    def holds(path):
        if under_base(path) is None:
            for name, read in READERS.items():
                assert _is_under(read(path)), (name, path)

    holds()


@settings(max_examples=150, deadline=None)
@given(paths)
def test_the_operating_system_opens_an_accepted_path_under_the_folder(path):
    if under_base(path) is not None or len(os.fsencode(path)) > 1000:
        return
    with tempfile.TemporaryDirectory() as root:
        base = Path(root, "srv", "data")
        base.mkdir(parents=True)
        place = f"{root}{path}".rstrip("/")
        os.makedirs(os.path.dirname(place), exist_ok=True)  # noqa: PTH103, PTH120  # pathlib would tidy the path
        if place != str(base):
            with open(place, "xb"):  # noqa: PTH123
                pass
        assert Path(place).resolve().is_relative_to(base.resolve())
        assert os.listdir(root) == ["srv"]  # noqa: PTH208
        assert os.listdir(Path(root, "srv")) == ["data"]  # noqa: PTH208


@settings(max_examples=300, deadline=None)
@given(paths)
def test_plain_names_are_not_refused(path):
    """The check must not become so strict that nothing passes."""
    name = "".join(char for char in path if char.isalnum() and char.isascii())[:20]
    if name.lower() not in {"nul", "aux", "con", "prn"} and not name.lower().startswith(("com", "lpt")):
        assert under_base(f"{BASE}/{name}/report-{name}_v1.2 (final).txt") is None or not name


FOR_SHELLS = [
    "/../secret", "/.*/secret", "/.[.]/secret", "/.?/secret", "/{..,in}/secret", "/{.,}./secret", "/in/{../..,x}/secret",
    "/`echo ..`/secret", "/$(echo ..)/secret", "/.[!a]/secret", "/.[[:punct:]]/secret", "/'..'/secret", "/.'.'/secret",
    '/".."/secret', '/."."/secret', "/.''./secret", "/@(.)@(.)/secret", "/+(.)/secret", "/.\\./secret", "/x</secret", "/~/../secret",
]  # fmt: skip


@pytest.mark.parametrize("path", FOR_SHELLS)
def test_no_shell_leaves_the_folder_by_a_path_that_is_accepted(tmp_path, path):
    base = tmp_path / "base"
    (base / "in").mkdir(parents=True)
    (tmp_path / "secret").write_text("SECRET")
    if compile_path_under(str(base))(f"{base}{path}") is not None:
        return
    for shell in (["sh", "-c"], ["bash", "-O", "extglob", "-c"]):
        done = subprocess.run([*shell, f"cat {base}{path}"], capture_output=True, check=False, cwd=base)
        assert b"SECRET" not in done.stdout


@pytest.mark.parametrize("path", FOR_SHELLS)
def test_what_a_shell_expands_is_refused(path):
    assert under_base(f"{BASE}{path}") is not None
    assert under_base(f"{BASE}/O'Brien/report (1), draft.pdf") is None
