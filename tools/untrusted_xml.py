"""The one door through which XML from outside (agent, gateway, mail, upload) enters."""

from __future__ import annotations

import re
from functools import lru_cache

from lxml import etree

_DECLARATION = re.compile(rb"<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_BOM = b"\xef\xbb\xbf"
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
_has_instruction = etree.XPath("boolean(//processing-instruction())")
_has_comment = etree.XPath("boolean(//comment())")


class UntrustedXmlError(ValueError):
    """The XML is refused.

    ``code`` is one of ``empty``, ``too_large``, ``encoding``, ``doctype``, ``malformed``, ``too_deep``,
    ``instruction``, ``comment``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@lru_cache(maxsize=8)
def _deeper_than(depth: int) -> etree.XPath:
    """An XPath that is true when some element has more than ``depth`` levels; runs in C, no Python recursion."""
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")


def parse(data: bytes, *, max_bytes: int = 5 * 2**20, max_depth: int = 64, comments: bool = True) -> etree._Element:
    """Parse ``data`` (UTF-8 bytes, at most ``max_bytes``) and return the root element.

    No DTD, no entities besides the five predefined ones, no network, no processing instructions, at most
    ``max_depth`` levels of elements. Comments are refused unless ``comments``: they split an element's text, so that
    ``.text`` of ``<a>12<!-- -->34</a>`` is only ``12``. Raises UntrustedXmlError.
    """
    if len(data) > max_bytes:
        raise UntrustedXmlError("too_large", f"XML of {len(data)} bytes, at most {max_bytes} are read")
    start = data[3:] if data.startswith(_BOM) else data
    if not start.strip():
        raise UntrustedXmlError("empty", "no XML at all")
    # One encoding only: a UTF-16 or EBCDIC text could hide a DOCTYPE from the check below.
    declared = _DECLARATION.match(start)
    if not start.lstrip().startswith(b"<") or (declared and declared.group(1).lower() not in _ENCODINGS):
        raise UntrustedXmlError("encoding", "only UTF-8 XML is read")
    if b"<!DOCTYPE" in start:  # entities can only be declared inside of one
        raise UntrustedXmlError("doctype", "a DOCTYPE is not allowed")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise UntrustedXmlError("malformed", f"not well-formed XML: {error}") from None
    if _deeper_than(max_depth)(root):
        raise UntrustedXmlError("too_deep", f"more than {max_depth} levels of elements")
    if _has_instruction(root):
        raise UntrustedXmlError("instruction", "processing instructions are not allowed")
    if not comments and _has_comment(root):
        raise UntrustedXmlError("comment", "comments are not allowed here")
    return root
