"""Every text is escaped, whichever party wrote it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tabard_sidecar.console.html import Html, Link, Links, join, shown, shown_lines, tag
from tabard_sidecar.util.visible import hidden


class Read(HTMLParser):
    """Notes elements, attributes and text as a browser would."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.attributes, self.text = [], [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text += data


@given(st.text(alphabet=st.characters(), max_size=60))
def test_text_never_becomes_markup(text):
    """Whatever an agent writes, as content or as a value, a browser reads it back as that text."""
    read = Read(tag("p", text, title=text, data_x=text))
    assert read.elements == ["p"]
    assert [name for name, _ in read.attributes] == ["title", "data-x"]
    assert read.text == Read(shown(text)).text


@given(st.text(alphabet=st.characters(), max_size=60))
def test_nothing_invisible_is_shown(text):
    """Controls, reordering and blank characters are escapes; lone surrogates can be sent."""
    found = Read(tag("p", text, title=text))
    assert not any(map(hidden, found.text))
    assert not any(map(hidden, dict(found.attributes)["title"]))
    found.text.encode()


@given(st.text(alphabet="a\u0301\u0489\u20dd", max_size=40))
def test_marks_do_not_cover_other_lines(text):
    """At most three marks stand over one character."""
    run = 0
    for character in Read(shown(text)).text:
        run = run + 1 if character in "\u0301\u0489\u20dd" else 0
        assert run <= 3


def test_long_text_is_cut_and_told():
    assert Read(shown("x" * 5000, 10)).text == "x" * 10 + "… (4,990 more characters)"


def test_lines_stay_where_they_are_wanted():
    assert shown("a\nb") == "a\\nb"
    assert shown_lines("a\nb", 10) == "a\nb"


def test_html_is_not_escaped_twice():
    assert tag("p", tag("b", "<"), ["&", None, 1234]) == "<p><b>&lt;</b>&amp;1,234</p>"
    assert join([tag("b", "x"), "<"], ", ") == "<b>x</b>, &lt;"


def test_attributes_without_a_value():
    assert tag("input", required=True, disabled=False, value=None) == "<input required>"


@pytest.mark.parametrize("name", ["href", "src", "action", "formaction"])
def test_only_own_addresses(name):
    """A text of others can't become an address, whatever its scheme."""
    with pytest.raises(TypeError):
        tag("a", **{name: "javascript:alert(1)"})
    with pytest.raises(TypeError):
        tag("a", **{name: Html("javascript:alert(1)")})
    assert tag("a", "x", href=Links("/b").to("tasks", "a/../b?#", q="<")) == (
        '<a href="/b/tasks/a%2F..%2Fb%3F%23?q=%3C">x</a>'
    )


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_an_address_stays_below_its_base(text):
    """An identifier that others chose can't lead elsewhere."""
    link = Links("/base").to("tasks", text, q=text)
    assert isinstance(link, Link)
    assert link.startswith("/base/tasks/")
    assert set("<>\"' \n\r\\") & set(link) == set()
