"""Routes, requests and the law that an extractor sees what the application sees."""

import functools
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.routing import Route, Router, get_route_path
from tabard.verify import NO_CREDENTIAL, CredentialOptional, Rejected, Request
from tabard.verify._asgi_routes import AsgiRoutes, path_below_mount, raw_path
from tabard.verify.calls import Routes
from tabard.verify.grpc_server import TabardInterceptor


def extract(request):
    return "tool", {}


TEMPLATES = [
    "/", "/a", "/a/b", "/a/{x}", "/a/{x}/b", "/{y}/b", "/{y}/b/{x}", "/files/{rest:path}", "/files/{x}", "/a/", "/a/{x}/{y}",
]  # fmt: skip
ROUTES = Routes({("GET", template): extract for template in TEMPLATES})


async def endpoint(scope, receive, send):
    """Never called."""


# In the order that Starlette needs: the more literal first.
APP = Router([Route(template, endpoint, methods=["GET"]) for template in TEMPLATES])
OWN = AsgiRoutes(APP, APP)

segments = st.sampled_from(
    ["a", "b", "files", "x", "..", ".", "", "%2e", "A", "a;b", "é", "a b", "~", "/", "\\"]
) | st.text(max_size=4)
paths = st.lists(segments, max_size=5).map(lambda parts: "/" + "/".join(parts))


def scope_of(path, root=""):
    raw = quote(path, safe="/~:@!$&'()*+,=").encode()
    return {
        "type": "http",
        "method": "GET",
        "path": root + path,
        "raw_path": raw,
        "root_path": root,
        "headers": [],
    }


@given(paths, st.sampled_from(["", "/mount", "/a"]))
@example("/a/..", "")
@example("/files/a/b", "/a")
def test_the_extractor_sees_what_starlette_sees(path, root):
    try:
        scope = scope_of(path, root)
        below = path_below_mount(scope)
        found = ROUTES.find("GET", below, raw_path(scope))
        OWN.require_same(scope, found.template)
    except (Rejected, UnicodeEncodeError):
        return
    assert below == get_route_path(scope)
    matches = [
        (route, child)
        for route in APP.routes
        for match, child in [route.matches(scope)]
        if match.name == "FULL"
    ]
    route, child = matches[0]
    assert route.path == found.template
    assert child["path_params"] == found.values


@given(paths)
def test_a_value_of_a_path_is_one_plain_segment(path):
    try:
        found = ROUTES.find("GET", path, None)
    except Rejected:
        return
    for name, value in found.values.items():
        assert value
        assert value not in {".", ".."}
        assert unquote(value) == value
        assert not set("\\;%?#\0") & set(value)
        assert name == "rest" or "/" not in value


def test_a_server_that_decodes_otherwise_is_not_trusted():
    for path, raw in [("/a/b", b"/a%2fc"), ("/a/\ufffd", b"/a/%ff"), ("/a/%41", b"/a/%2541"), ("/b", b"/a")]:
        with pytest.raises(Rejected, match="path_ambiguous"):
            ROUTES.find("GET", path, raw_path({"path": path, "raw_path": raw}))
    assert raw_path({"path": "/m/a", "root_path": "/m", "raw_path": b"/a"}) == b"/a"
    with pytest.raises(Rejected, match="path_ambiguous"):
        path_below_mount({"path": "/mounted", "root_path": "/m"})


def test_the_most_literal_route_is_chosen():
    def chosen(path):
        return ROUTES.find("GET", path, None).template

    assert chosen("/a/b") == "/a/b"
    assert chosen("/a/c") == "/a/{x}"
    assert chosen("/a/b/b") == "/a/{x}/b"
    assert chosen("/files/b") == "/files/{x}"
    assert chosen("/files/b/c/") == "/files/{rest:path}"
    assert chosen("/a/") == "/a/"
    with pytest.raises(Rejected, match="operation_unknown"):
        chosen("/files/")


@pytest.mark.parametrize(
    "calls",
    [
        {("get", "/a"): extract},
        {("*", "/a"): extract},
        {("GET", "a"): extract},
        {("GET", ""): extract},
        {("GET", "/a//b"): extract},
        {("GET", "/a/../b"): extract},
        {("GET", "/a/*"): extract},
        {("GET", "/a/<x>"): extract},
        {("GET", "/a/{x:int}"): extract},
        {("GET", "/a/{x}.json"): extract},
        {("GET", "/a/{x}/{x}"): extract},
        {("GET", "/{x:path}/a"): extract},
        {("GET", "/a%20b"): extract},
        {("GET", "/a"): "tool"},
        {("GET", "/a"): None},
        {("GET", "/{a}"): extract, ("GET", "/{b}"): extract},
    ],
)
def test_routes_that_could_not_be_meant_are_refused(calls):
    with pytest.raises(ValueError, match=r"/|not an absolute path"):
        Routes(calls)


async def extract_later(request):
    return "tool", {}


class LaterToo:
    async def __call__(self, _request):
        return "tool", {}


@pytest.mark.parametrize(
    "operation",
    [extract_later, functools.partial(extract_later), LaterToo(), CredentialOptional(extract_later)],
)
def test_an_async_extractor_is_refused_at_once(operation, verifier):
    """It would refuse every request."""
    with pytest.raises(ValueError, match=r"GET /a: .* is async"):
        Routes({("GET", "/a"): operation})
    with pytest.raises(ValueError, match=r"/shop\.Refunds/Create: .* is async"):
        TabardInterceptor(verifier, {"/shop.Refunds/Create": operation})


def test_every_kind_of_operation_is_accepted():
    Routes(
        {("GET", "/a"): extract, ("POST", "/a"): NO_CREDENTIAL, ("PUT", "/a"): CredentialOptional(extract)}
    )


def test_a_repeated_name_is_refused_or_handed_out_as_a_list():
    request = Request(
        "GET", "/", query_string="a=1&b=2&a=3", headers=[("x-order", "A"), ("x-order", "B"), ("y", "1")]
    )
    for values, name in ((request.query_params, "a"), (request.headers, "X-Order")):
        for read in (values.__getitem__, values.get):
            with pytest.raises(Rejected, match="repeated"):
                read(name)
    assert request.headers.getlist("X-Order") == ["A", "B"]
    assert request.query_params.getlist("a") == ["1", "3"]
    assert request.headers["Y"] == "1"
    assert "Y" in request.headers
    assert request.query_params.get("absent") is None


def test_what_the_extractor_leaves_out_is_refused():
    request = Request("POST", "/", path_params={"x": "1"}, query_string="a=1&b=2", body=b"{}")
    for read in (
        lambda: request.path_params["x"],
        lambda: request.query_params["a"],
        lambda: "b" in request.query_params,
        lambda: request.query_params["b"],
    ):
        with pytest.raises(Rejected, match="doesn't read"):
            request.require_all_read()
        read()
    with pytest.raises(Rejected, match="the body"):
        request.require_all_read()
    assert request.body == b"{}"
    request.require_all_read()


def test_forms_are_read_as_strictly():
    def form(body, kind="application/x-www-form-urlencoded"):
        return Request("POST", "/", headers=[("content-type", kind)], body=body)

    request = form(b"a=1&b=%C3%A9+x")
    fields = request.form()
    assert fields["a"] == "1"
    with pytest.raises(Rejected, match="form field 'b'"):
        request.require_all_read()
    assert fields["b"] == "é x"
    request.require_all_read()
    with pytest.raises(Rejected, match="repeated"):
        form(b"a=1&a=2").form()["a"]
    for body in (b"a=1;a=2", b"a", b"a=%ff", b"a=\xff", b"a=1&&b=2"):
        with pytest.raises(Rejected, match="call_unreadable"):
            form(body).form()
    with pytest.raises(Rejected, match="Content-Type"):
        form(b"a=1", "application/json").form()


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        ("application/json", True),
        ("Application/JSON; Charset=UTF-8", True),
        ('application/json; charset="utf-8"', True),
        ("application/vnd.api+json", True),
        ("", False),
        ("text/json", False),
        ("application/json; charset=utf-16", False),
        ("application/json; q=1", False),
        ("application/jsonp", False),
        ("application/json+xml", False),
    ],
)
def test_json_is_read_only_where_the_type_says_json(kind, fits):
    request = Request("POST", "/", headers=[("Content-Type", kind)] if kind else [], body=b'{"a": 1}')
    if fits:
        assert request.json() == {"a": 1}
    else:
        with pytest.raises(Rejected, match="Content-Type"):
            request.json()
    with pytest.raises(Rejected, match="repeated"):
        Request("POST", "/", headers=[("content-type", "application/json")] * 2, body=b"{}").json()


@pytest.mark.parametrize(
    "pairs", [[("x_order", "B")], [("x_order", "B"), ("x-order", "A")], [("x-order", "A"), ("X_Order", "B")]]
)
def test_a_header_that_is_also_spelled_with_an_underscore_is_not_read(pairs):
    """Starlette reads ``X-Order`` only; a WSGI application behind it reads both as one."""
    headers = Request("GET", "/", headers=pairs).headers
    for read in (headers.__getitem__, headers.get, headers.getlist, headers.__contains__):
        for name in ("X-Order", "x_order"):
            with pytest.raises(Rejected, match="underscore"):
                read(name)
