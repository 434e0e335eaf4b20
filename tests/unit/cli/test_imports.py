import subprocess
import sys

UNUSED = {
    "aiohttp",  # only for introspection and issuers behind a URL
    "hvac",  # only with a vault
    "click",  # only for the command line
    "opentelemetry",  # only with telemetry.otlp_endpoint
    "pydantic_settings",
    "requests",  # only with a vault or an exchange
    "rich",
    "structlog",
    "tarfile",  # only for bundles
    "urllib3",  # only with a vault or an exchange
    "watchfiles",
}


def test_default_server_imports_only_what_it_uses():
    """What the default configuration doesn't use costs neither start-up time nor memory."""
    code = "import sys, tabard_sidecar.server.lifecycle; print(*{name.split('.')[0] for name in sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert UNUSED & set(run.stdout.split()) == set()
