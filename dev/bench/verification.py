"""The server's verification of a signature ÷ xmlsec's bare one of the same bytes, in this process, interleaved."""

from __future__ import annotations

import importlib
import statistics
import sys
import time
import types
from collections.abc import Callable
from typing import Any

from ..paths import ROOT


def _addon() -> tuple[Any, Any, Any]:
    """The addon's pure tools and the tests' signer, without Odoo: the addon's folder as a package of its own."""
    for name, path in (("bench_addon", ROOT), ("bench_addon.tests", ROOT / "tests")):
        module = types.ModuleType(name)
        module.__path__ = [str(path)]
        sys.modules[name] = module
    return (
        importlib.import_module("bench_addon.tests.samples.signing"),
        importlib.import_module("bench_addon.tools.dossier"),
        importlib.import_module("bench_addon.tools.signature"),
    )


def measure(attachment: int, rounds: int) -> dict[str, float]:
    """Verify one dossier `rounds` times both ways.

    :param attachment: bytes of the file attached to it; 0 attaches none
    :return: bytes, medians in microseconds (`ours`, `bare`) and their `ratio`
    """
    xmlsec = importlib.import_module("xmlsec")
    from lxml import etree

    signing, dossier, signature = _addon()
    content = bytes(range(256)) * (attachment // 256)
    file = dossier.Attachment(form_code="x", description="d", file_name="a.pdf", content=content)
    unsigned = dossier.build("04", signing.data(attachments=(file,) if attachment else ()))
    der = signing.certificate()
    signed = signing.sign(unsigned, der)

    def ours() -> None:
        signature.verify(signed, unsigned, der, at=signing.NOW)

    def bare() -> None:
        root = etree.fromstring(signed)
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(der, xmlsec.KeyFormat.CERT_DER)
        context.verify(xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE))

    for _ in range(max(3, rounds // 20)):
        ours()
        bare()
    pairs = [(_microseconds(ours), _microseconds(bare)) for _ in range(rounds)]
    own, raw = (statistics.median(values) for values in zip(*pairs, strict=True))
    return {"bytes": len(signed), "ours": own, "bare": raw, "ratio": own / raw}


def _microseconds(call: Callable[[], None]) -> float:
    started = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - started) / 1000
