import io
import json
import logging

import pytest
from tabard_sidecar.records.applog import configure_logging

JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"


@pytest.fixture
def log():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging("info", stream)

    def lines():
        assert stream.getvalue().replace("\n", "").isprintable()
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield lines
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def test_extras_become_fields(log):
    """A line is one JSON object with time, level, logger, event and the extras."""
    logging.getLogger("tabard_sidecar.x").info("policy loaded", extra={"revision": "abc", "count": 3})
    (line,) = log()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "tabard_sidecar.x",
        "event": "policy loaded",
        "revision": "abc",
        "count": 3,
    }


def test_secrets_are_taken_out_by_name_and_shape(log):
    """Whatever looks like a secret, or is called one, is replaced at any depth."""
    logger = logging.getLogger("x")
    logger.warning("got %s", JWT, extra={"grant": "anything", "nested": {"a": [f"x {JWT}"], "token": "t"}})
    logger.warning(
        "bytes", extra={"raw": b"\x00" * 5, "deep": {"a": {"b": {"c": {"d": {"e": {"f": {"g": JWT}}}}}}}}
    )
    text = json.dumps(log())
    assert JWT not in text
    assert "anything" not in text
    first, second = log()
    assert first["event"] == "got [redacted]"
    assert first["nested"] == {"a": ["x [redacted]"], "token": "[redacted]"}
    assert second["raw"] == "<5 bytes>"


def test_exceptions_are_redacted_too(log):
    """A stack trace goes through the same net."""
    try:
        raise ValueError(f"bad token {JWT}")
    except ValueError:
        logging.getLogger("tabard_sidecar.x").exception("internal_error", extra={"incident": "1"})
    (line,) = log()
    assert "bad token [redacted]" in line["exception"]
    assert line["incident"] == "1"


def test_level_is_respected(log):
    """What lies below the level isn't written."""
    logging.getLogger("x").debug("quiet")
    assert log() == []


def test_newlines_cannot_forge_lines(log):
    """An event with a newline stays one line."""
    logging.getLogger("x").info('a\n{"level":"info"}')
    assert len(log()) == 1


def test_control_characters_never_reach_the_stream(log):
    """Standard error may be a terminal; what others wrote is escaped, and the line stays JSON."""
    evil = "a\x1b[2J\x9b31m\u202e\x7f\nb"
    logging.getLogger("x").warning("event %s", evil, extra={"said": evil, evil: [evil]})
    (line,) = log()
    assert line["said"] == evil
    assert line[evil] == [evil]


def test_a_library_writes_little_and_no_words_of_an_exception(log):
    """Libraries quote strangers' requests, so the text of an exception stays out, and the rest is short and rare."""
    logger = logging.getLogger("aiohttp.server")
    for _ in range(500):
        try:
            raise ValueError("Authorization: tk_secret0123456789 " + "x" * 4096)
        except ValueError:
            logger.exception("Error handling request from %s\nmore", "y" * 5000)
    lines = log()
    assert len(lines) == 10
    assert all(len(json.dumps(line)) < 1000 for line in lines)
    assert "tk_secret" not in json.dumps(lines)
    assert lines[0]["exception"].startswith("builtins.ValueError in test_a_library")


def test_a_librarys_flood_does_not_silence_the_sidecar(log):
    """Each library has lines of its own, and the sidecar's modules aren't limited."""
    for _ in range(50):
        logging.getLogger("noisy.library").warning("x")
        logging.getLogger("tabard_sidecar.x").warning("own")
    logging.getLogger("other.library").warning("y")
    events = [line["event"] for line in log()]
    assert (events.count("x"), events.count("own"), events.count("y")) == (10, 50, 1)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "Basic"])
def test_what_follows_an_authorization_scheme_is_taken_out(log, scheme):
    """Whatever its form; ordinary words stay."""
    logging.getLogger("tabard_sidecar.x").warning("got %s tk_0123456789abcdef, a bearer credential", scheme)
    (line,) = log()
    assert line["event"] == f"got {scheme} [redacted], a bearer credential"
