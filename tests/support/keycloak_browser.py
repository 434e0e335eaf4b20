"""Does what a person does in a browser who enters a device's code at Keycloak (RFC 8628).

``python -m tests.support.keycloak_browser URL PERSON`` signs the person in, whose password is the name, and consents.
"""

from __future__ import annotations

import html
import re
import sys
import urllib.request
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.parse import urlencode, urljoin

_SECONDS = 30.0
_FORM = re.compile(r"<form[^>]*\baction=\"([^\"]+)\"[^>]*>(.*?)</form>", re.DOTALL)
_HIDDEN = re.compile(r"<input[^>]*type=\"hidden\"[^>]*name=\"([^\"]+)\"[^>]*value=\"([^\"]*)\"")


def approve(url: str, person: str) -> None:
    """Open the address, sign in and consent."""
    cookies = urllib.request.HTTPCookieProcessor(CookieJar(_AsBrowsers()))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), cookies)
    with opener.open(url, timeout=_SECONDS) as answer:
        here, page = answer.url, answer.read().decode()
    here, page = _sent(opener, here, page, username=person, password=person)
    _, page = _sent(opener, here, page, accept="Yes")
    assert "Device Login Successful" in page, page


class _AsBrowsers(DefaultCookiePolicy):
    """Sends cookies that are marked ``Secure`` to loopback without TLS, too."""

    def return_ok_secure(self, *_: object) -> bool:
        return True


def _sent(opener: urllib.request.OpenerDirector, here: str, page: str, **fields: str) -> tuple[str, str]:
    """Send the one form of the page at an address; return address and text of the next one."""
    forms = _FORM.findall(page)
    assert len(forms) == 1, page
    ((action, content),) = forms
    body = urlencode(dict(_HIDDEN.findall(content)) | fields).encode()
    with opener.open(urljoin(here, html.unescape(action)), body, timeout=_SECONDS) as answer:
        return answer.url, answer.read().decode()


if __name__ == "__main__":
    approve(*sys.argv[1:])
