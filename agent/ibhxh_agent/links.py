"""The link ``ibhxh-agent://pair?server=…&database=…&code=…`` of Odoo's page *My computers*.

Any web page can open such a link. So it is read strictly, what is odd about it is refused whole, and what it asks for
is done only after the person has agreed in a window of the agent's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from ibhxh_agent.client import Server
from ibhxh_agent.config import SCHEME
from ibhxh_agent.errors import AgentError
from ibhxh_agent.texts import text
from ibhxh_agent.untrusted import harmless

#: Characters; a link of Odoo has about 120.
_LONGEST = 1000
_CODE = re.compile(r"[A-Z0-9]{4}-?[A-Z0-9]{4}", re.ASCII)
#: PostgreSQL's longest name; it travels in a header.
_DATABASE = re.compile(r"[ -~]{1,63}", re.ASCII)


@dataclass(frozen=True)
class PairingLink:
    """What a link asks for; nothing of it is proven.

    :param server: checked address, see :class:`ibhxh_agent.client.Server`
    :param database: empty where the server has one only
    :param code: the one-time code
    :param user: the name that the page gives for the person, shown as its words
    """

    server: str
    database: str
    code: str
    user: str = ""


def parse(link: str) -> PairingLink:
    """Read a link.

    :raises AgentError: ``bad_link``, it is not exactly one of Odoo's; ``bad_server`` or ``plain_http``, its address is
        none that the agent talks to
    """
    if len(link) > _LONGEST or not link.isascii() or not link.isprintable() or " " in link:
        raise _bad()
    try:
        parts = urlsplit(link)
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=4)
    except ValueError:
        raise _bad() from None
    values = dict(pairs)
    if parts.scheme != SCHEME or parts.netloc != "pair" or parts.path not in ("", "/") or "#" in link:
        raise _bad()
    if len(values) != len(pairs) or not {"server", "code"} <= set(values) <= {"server", "database", "code", "user"}:
        raise _bad()
    server, database, code = values["server"], values.get("database", ""), values["code"]
    # Letters of other alphabets that look like Latin ones would show another company's address. They have a spelling
    # in ASCII ("xn--…"), which looks like what it is.
    if "://" not in server or not server.isascii():
        raise _bad()
    if not _CODE.fullmatch(code) or (database and not _DATABASE.fullmatch(database)):
        raise _bad()
    return PairingLink(Server.parse(server).base, database, code, harmless(values.get("user", ""), 100))


def _bad() -> AgentError:
    return AgentError("bad_link", text("bad_link"))
