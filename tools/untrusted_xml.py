"""The one door through which XML from outside (agent, gateway, mail, upload) enters.

What is let in is bounded in size *and* in what it costs later. Canonicalising takes time in proportion to the square of
the namespaces in scope times the elements, and to the square of one element's attributes, so that a document of 40 KB
can cost seconds. All three are counted in the bytes, before a parser sees them: UTF-8 has one way to write a name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from lxml import etree

BLANKS = " \t\r\n"
"""What XML takes for blank; Python's own idea of it is wider (U+00A0, U+0085 …)."""

MAX_NAMESPACES = 16
MAX_TAGS = 50_000
MAX_ATTRIBUTES = 5_000
_BOUNDS = ((b"xmlns", MAX_NAMESPACES, "namespaces"), (b"<", MAX_TAGS, "tags"), (b"=", MAX_ATTRIBUTES, "attributes"))

_BOM = b"\xef\xbb\xbf"
_DECLARATION = re.compile(
    rb"""<\?xml[ \t\r\n]{1,8}version=(?:"1\.0"|'1\.0')"""
    rb"""(?:[ \t\r\n]{1,8}encoding=(?:"(?i:utf-8)"|'(?i:utf-8)'))?"""
    rb"""(?:[ \t\r\n]{1,8}standalone=(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\r\n]{0,8}\?>"""
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_has_instruction = etree.XPath("boolean(//processing-instruction())")
_has_comment = etree.XPath("boolean(//comment())")


class UntrustedXmlError(ValueError):
    """The XML is refused.

    ``code`` is one of ``empty``, ``too_large``, ``encoding``, ``doctype``, ``too_complex``, ``malformed``,
    ``too_deep``, ``instruction``, ``comment``.
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

    No DTD, no entities besides the five predefined ones, no network, no processing instructions, no relative namespace,
    at most ``max_depth`` levels of elements, 16 namespace declarations, 5 000 attributes and 50 000 tags. Comments are
    refused unless ``comments``: they split an element's text, so that ``.text`` of ``<a>12<!-- -->34</a>`` is only
    ``12``. Raises UntrustedXmlError.
    """
    if len(data) > max_bytes:
        raise UntrustedXmlError("too_large", f"XML of {len(data)} bytes, at most {max_bytes} are read")
    start = data.removeprefix(_BOM)
    if not start.strip():
        raise UntrustedXmlError("empty", "no XML at all")
    _check_encoding(start)
    if b"<!DOCTYPE" in start:  # entities can only be declared inside of one
        raise UntrustedXmlError("doctype", "a DOCTYPE is not allowed")
    for mark, most, what in _BOUNDS:
        if start.count(mark) > most:
            raise UntrustedXmlError("too_complex", f"more than {most} {what}")
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
    except (etree.LxmlError, ValueError) as error:
        raise UntrustedXmlError("malformed", f"not well-formed XML: {str(error)[:200]}") from None
    if b"xmlns" in start and any(uri and not _SCHEME.match(uri) for uri in _namespaces(root)):
        raise UntrustedXmlError("malformed", "a relative namespace, which cannot be canonicalised")
    if _deeper_than(max_depth)(root):
        raise UntrustedXmlError("too_deep", f"more than {max_depth} levels of elements")
    if _has_instruction(root):
        raise UntrustedXmlError("instruction", "processing instructions are not allowed")
    if not comments and _has_comment(root):
        raise UntrustedXmlError("comment", "comments are not allowed here")
    return root


def _namespaces(root: etree._Element) -> Iterator[str]:
    """The namespaces that are declared anywhere; each declaration once."""
    return (uri for _event, (_prefix, uri) in etree.iterwalk(root, events=("start-ns",)))


def _check_encoding(start: bytes) -> None:
    """One encoding, declared as nothing else: another reader of the same bytes must not read another text."""
    try:
        start.decode("utf-8")
    except UnicodeDecodeError:
        raise UntrustedXmlError("encoding", "only UTF-8 XML is read") from None
    is_declared = start.startswith(b"<?xml") and not start.startswith(b"<?xml-")
    if not start.lstrip().startswith(b"<") or (is_declared and not _DECLARATION.match(start)):
        raise UntrustedXmlError("encoding", "only UTF-8 XML is read")
