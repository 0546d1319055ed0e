"""Odoo's pairing link: any web page can open one, so whatever is odd about it is refused."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from ibhxh_agent import links
from ibhxh_agent.errors import AgentError
from ibhxh_agent.links import PairingLink


def link(server="https://odoo.hoasen.example", code="ABCD-EFGH", more=""):
    return f"ibhxh-agent://pair?server={quote(server, safe='')}&code={code}{more}"


def test_a_link_of_odoo_is_read():
    user = quote("Trần Văn Kế")
    assert links.parse(link(more=f"&database=hoasen&user={user}")) == PairingLink(
        "https://odoo.hoasen.example", "hoasen", "ABCD-EFGH", "Trần Văn Kế"
    )
    assert links.parse(link("https://odoo.example:8443/vn/")).server == "https://odoo.example:8443/vn"
    assert links.parse(link("http://127.0.0.1:8069", "ABCDEFGH")).server == "http://127.0.0.1:8069"
    assert links.parse(link(more="&database=cty+%26+con")).database == "cty & con"  # as URLSearchParams writes it
    assert links.parse(link().replace("pair?", "pair/?")).code == "ABCD-EFGH"  # what some browsers make of it


@pytest.mark.parametrize(
    "odd",
    [
        "",
        "ibhxh-agent:",
        "ibhxh-agent://pair",
        "ibhxh-agent://pair?",
        link().replace("pair", "run"),
        link().replace("pair?", "pair/more?"),
        link().replace("ibhxh-agent://", "ibhxh-agent:"),
        link().replace("//pair", "//user@pair"),
        link().replace("//pair", "//pair:80"),
        link() + "#here",
        link() + "#",
        link(code=""),
        link(code="ABCD-EFG"),
        link(code="ABCD-EFGH-1"),
        link(code="abcd-efgh"),
        link(code="ABCD%00EFG"),
        link(more="&code=WXYZ-WXYZ"),
        link(more="&server=https%3A%2F%2Fevil.example"),
        link(more="&library=C%3A%5Cevil.dll"),
        link(more="&database=" + "a" * 64),
        link(more="&database=a%00b"),
        link(more="&database=a%0Ab"),
        link(more="&user=%FF"),
        link(more="&a=1&b=2&c=3"),
        link(more="&novalue"),
        link("odoo.hoasen.example"),
        link("https://оdoo.hoasen.example"),  # the first letter is Cyrillic
        link() + " --config-dir=x",
        link() + '" run',
        link() + "\u202e",
        link() + "&user=" + "x" * 2000,
    ],
)
def test_a_link_that_odoo_does_not_make_is_refused(odd):
    with pytest.raises(AgentError) as refused:
        links.parse(odd)
    assert refused.value.code == "bad_link" and "Odoo" in refused.value.message


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ("http://odoo.hoasen.example", "plain_http"),
        ("http://127.0.0.1.evil.example", "plain_http"),
        ("http://[::1]evil.example", "bad_server"),
        ("https://user:secret@odoo.example", "bad_server"),
        ("https://odoo.example\\@evil.example", "bad_server"),
        ("https://odoo.example?x", "bad_server"),
        ("file:///etc/passwd", "bad_server"),
        ("javascript://x", "bad_server"),
    ],
)
def test_a_links_address_is_checked_as_a_typed_one(server, code):
    with pytest.raises(AgentError) as refused:
        links.parse(link(server))
    assert refused.value.code == code
