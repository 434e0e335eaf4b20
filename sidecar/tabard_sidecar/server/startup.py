"""Tells operators why a sidecar can't start, with the exit code of its process."""

from __future__ import annotations

from tabard_sidecar import exit_codes
from tabard_sidecar.policy.problems import PolicyBrokenError


class StartupError(Exception):
    """The sidecar can't start. ``exit_code`` is the process's exit code; the message says what to do."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def startup_error(error: Exception) -> StartupError | None:
    """Return what an error of a start means to operators; ``None`` if it is a fault of the sidecar itself."""
    import ssl  # noqa: PLC0415 - a start that succeeds needs none of these

    from tabard.files import RefusedFileError  # noqa: PLC0415

    from tabard_sidecar.errors import NoDecision  # noqa: PLC0415
    from tabard_sidecar.http.clients import ClientKeyError  # noqa: PLC0415
    from tabard_sidecar.identity import KeysUnavailable  # noqa: PLC0415
    from tabard_sidecar.keys import KeyringError  # noqa: PLC0415
    from tabard_sidecar.records.sinks import SinkError  # noqa: PLC0415
    from tabard_sidecar.state.sqlite import StateFileError  # noqa: PLC0415
    from tabard_sidecar.util.files import explain  # noqa: PLC0415
    from tabard_sidecar.util.sockets import BindError  # noqa: PLC0415

    message, code = str(error), exit_codes.CONFIG
    match error:
        case KeyringError() | ClientKeyError() | StateFileError() | ValueError():
            pass
        case PolicyBrokenError():
            message = f"the policy can't be used:\n{error}"
            unreachable = {problem.code for problem in error.problems} == {"unreachable"}
            code = exit_codes.UNREACHABLE if unreachable else exit_codes.POLICY
        case BindError():
            code = exit_codes.CANNOT_BIND
        case KeysUnavailable() | SinkError():
            code = exit_codes.UNREACHABLE
        case NoDecision():
            message, code = error.message, exit_codes.UNREACHABLE
        case RefusedFileError() | ssl.SSLError():
            message = explain(error)
        case _:
            return None
    return StartupError(code, message)
