"""Every reader of what comes from outside, on inputs that are made to be expensive: processor's time per MiB.

Each input is read in a process of its own, which the system ends when it takes too long.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import logging
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

from ..paths import ADDON, ADDONS
from .hostile import Hostile

MIB = 2**20
PATIENCE = 30
"""Seconds of the processor after which a reading is ended."""

MOST = 1.0
"""Most seconds of the processor that a MiB may cost."""
MOST_TIMES = 50
"""As above, as a multiple of what plain parsing costs: what is slow only because the machine is, is no fault."""

REFERENCE = "3f0c1a52-7c1e-4b43-9d0e-5a2f6c1b8e90"
"""Of the dossier that a gateway is asked about."""

Read = Callable[[bytes], object]


@dataclass(frozen=True)
class Reader:
    """A reader with its inputs, and the exceptions by which it refuses."""

    name: str
    read: Read
    refusals: tuple[type[Exception], ...]
    inputs: Mapping[str, bytes]


@dataclass(frozen=True)
class Reading:
    """What one input cost: seconds per MiB, at least PATIENCE's when it was ended.

    ``raised`` is an exception by which the reader does not refuse.
    """

    reader: str
    what: str
    seconds: float
    is_ended: bool = False
    raised: str = ""

    def __str__(self) -> str:
        """The cost in words."""
        cost = f"{'> ' if self.is_ended else ''}{self.seconds:.3f} s per MiB"
        return f"{cost}, raises {self.raised}" if self.raised else cost


def measure(size: int) -> tuple[float, list[Reading]]:
    """Read inputs of about `size` bytes.

    :return: seconds per MiB of plain parsing on this machine, and each reader's on each of its inputs
    """
    etree = importlib.import_module("lxml.etree")
    plain = Reader("", etree.fromstring, (), {"": b"<a>" + b"<b>x</b>" * (size // 8) + b"</a>"})
    baseline = min(reading.seconds for _turn in range(3) for reading in _readings(plain))
    return baseline, [reading for reader in _readers(Hostile(size)) for reading in _readings(reader)]


def is_bounded(reading: Reading, baseline: float) -> bool:
    """Whether the reading cost no more than it may, and refused as agreed."""
    is_slow = reading.seconds > MOST and reading.seconds > MOST_TIMES * baseline
    return not (is_slow or reading.is_ended or reading.raised)


def table(readings: Sequence[Reading]) -> str:
    """The readings as a Markdown table, the most expensive first."""
    lines = ["| Reader | Input | Processor |", "|---|---|---|"]
    ordered = sorted(readings, key=lambda reading: reading.seconds, reverse=True)
    return "\n".join([*lines, *(f"| {reading.reader} | {reading.what} | {reading} |" for reading in ordered)])


def worst(readings: Iterable[Reading]) -> list[Reading]:
    """The most expensive input of each reader."""
    found: dict[str, Reading] = {}
    for reading in readings:
        if reading.reader not in found or reading.seconds > found[reading.reader].seconds:
            found[reading.reader] = reading
    return list(found.values())


def _readings(reader: Reader) -> Iterator[Reading]:
    """Read everything in a child process; after an input that it did not survive, go on in another one."""
    waiting = dict(reader.inputs)
    while waiting:
        context = multiprocessing.get_context("fork")
        ours, theirs = context.Pipe(duplex=False)
        child = context.Process(target=_child, args=(reader, list(waiting), theirs))
        child.start()
        theirs.close()
        with contextlib.suppress(EOFError):
            while waiting:
                seconds, raised = ours.recv()
                what = next(iter(waiting))
                yield Reading(reader.name, what, _per_mib(seconds, waiting.pop(what)), raised=raised)
        child.join()
        if waiting:
            what = next(iter(waiting))
            yield Reading(reader.name, what, _per_mib(PATIENCE, waiting.pop(what)), is_ended=True)


def _per_mib(seconds: float, content: bytes) -> float:
    return seconds * MIB / max(len(content), MIB)


def _child(reader: Reader, names: Sequence[str], answer: Connection) -> None:
    logging.disable()
    for name in names:
        raised = ""
        started = time.process_time()
        # The system ends the process then.
        resource.setrlimit(resource.RLIMIT_CPU, (int(started) + PATIENCE, resource.RLIM_INFINITY))
        try:
            reader.read(reader.inputs[name])
        except reader.refusals:
            pass
        except Exception as error:
            raised = type(error).__name__
        answer.send((time.process_time() - started, raised))


# -- the readers -------------------------------------------------------------------------------------------------------


def _addon(*names: str) -> list[Any]:
    """Modules of the addon, imported as Odoo does; no database is needed."""
    config = importlib.import_module("odoo.tools").config
    config.parse_config([f"--addons-path={ADDONS}", "--log-level=critical"])
    importlib.import_module("odoo.modules.module").initialize_sys_path()
    return [importlib.import_module(f"odoo.addons.{ADDON}.{name}") for name in names]


def _readers(hostile: Hostile) -> Iterator[Reader]:
    for readers in (_xml, _certificates, _mails, _gateways, _calls, _agents):
        yield from readers(hostile)


def _xml(hostile: Hostile) -> list[Reader]:
    dossier, notification, signature, samples, pki = _addon(
        "tools.dossier", "tools.notification", "tools.signature", "tests.samples.mails", "tests.samples.signing"
    )
    markup = [(what, text.encode()) for what, text in hostile.markup().items()]
    der = pki.certificate("vss", uids=())
    unsigned = dossier.build("04", pki.data())
    signed = pki.sign(unsigned, pki.certificate())
    notice = samples.notification()
    own = {what: _inside(unsigned, b"<ToKhais/>", b"<ToKhais>%s</ToKhais>", text) for what, text in markup}
    theirs = {what: _inside(signed, b"<ToKhais/>", b"<ToKhais>%s</ToKhais>", text) for what, text in markup}
    inside = {what: _inside(signed, b"<SignatureValue>", b"<SignatureValue>%s", text) for what, text in markup}
    told = {
        what: _inside(notice, b"</CTIET_GDICH>", b"<ROW_CTIET>%s</ROW_CTIET></CTIET_GDICH>", text)
        for what, text in markup
    }
    result = {what: _inside(notice, b"<KQUA>", b"<KQUA>%s", text) for what, text in markup}
    at: datetime = pki.NOW

    def judged(xml: bytes) -> object:
        return importlib.import_module(f"odoo.addons.{ADDON}.tools.notification_verdict").judge(notification.read(xml))

    def checked(xml: bytes) -> object:
        return notification.check_signature(xml, at=at)

    def sealed(xml: bytes) -> bytes:
        node = pki.Signature(der, key_name="vss").xml(b"").encode()
        return xml.replace(b"</BHXH>", node + b"</BHXH>")

    return [
        Reader("dossier: read", dossier.read, (dossier.DossierError,), own),
        Reader("dossier: validate", lambda xml: dossier.validate("04", xml), (), own),
        Reader(
            "signed dossier: verify",
            lambda xml: signature.verify(xml, unsigned, pki.certificate(), at=at),
            (signature.SignatureError,),
            {**theirs, **{f"in the signature, {what}": xml for what, xml in inside.items()}},
        ),
        Reader(
            "notification: read, judge",
            judged,
            (notification.NotificationError,),
            {**told, **{f"in the result, {what}": xml for what, xml in result.items()}},
        ),
        Reader("notification: signature", checked, (), {what: sealed(xml) for what, xml in told.items()}),
    ]


def _inside(document: bytes, place: bytes, pattern: bytes, text: bytes) -> bytes:
    return document.replace(place, pattern % text, 1)


def _certificates(hostile: Hostile) -> list[Reader]:
    certificate, validation, pki, signing = _addon(
        "tools.certificate", "tools.validation", "tests.samples.pki", "tests.samples.signing"
    )
    root = pki.issue("root", "root", is_ca=True, serial=1)
    authority = pki.issue("intermediate", "root", is_ca=True, serial=2)
    unit = pki.issue("unit", "intermediate")
    answers = pki.Responder(unit, authority)

    def chain(answer: bytes) -> object:
        return validation.check_chain(
            pki.der(unit), [pki.der(root)], [pki.der(authority)], at=signing.NOW, fetch=lambda *_question: answer
        )

    junk = {
        "zeros": b"\0" * hostile.size,
        "sequences": b"\x30" * hostile.size,
        "sequences without end": b"\x30\x80" * (hostile.size // 2),
        "empty sequences": b"\x30\x84" + hostile.size.to_bytes(4, "big") + b"\x30\0" * (hostile.size // 2),
    }
    pem = b"-----BEGIN CERTIFICATE-----\n"
    small = {what: content[: certificate.MAX_BYTES] for what, content in junk.items()}
    return [
        Reader("certificate: read", certificate.load, (certificate.CertificateError,), small),
        Reader(
            "certificate: upload",
            certificate.load_upload,
            (certificate.CertificateError,),
            {**small, "starts of PEM": (pem * 4000)[: certificate.MAX_BYTES]},
        ),
        Reader(
            "revocation: answers",
            chain,
            (),
            {
                **junk,
                "OCSP answer with a tail": answers.answer(pki.OCSP_URL) + b"\0" * hostile.size,
                "list of 130 000": pki.long_crl(130_000),
            },
        ),
    ]


def _mails(hostile: Hostile) -> list[Reader]:
    (vss_mail,) = _addon("tools.vss_mail")
    inputs = hostile.mails()
    texts = {what: content.partition(b"\r\n\r\n")[2] for what, content in inputs.items() if what.startswith("text")}
    return [
        Reader("mail: read", vss_mail.read, (), inputs),
        Reader("mail: redact", lambda text: vss_mail.redact(text.decode("utf-8", "replace")), (), texts),
    ]


def _gateways(hostile: Hostile) -> list[Reader]:
    replies, base = _addon("tools.gateways.replies", "tools.gateways.base")
    reply = importlib.import_module(f"odoo.addons.{ADDON}.tools.gateways.transport").Reply
    refusals = (base.GatewayError,)
    calls: dict[str, tuple[str, Callable[[Any], object]]] = {
        "receipt": ("dossier_number", lambda answer: replies.receipt(answer, REFERENCE)),
        "progress": ("steps", lambda answer: replies.progress(answer, REFERENCE)),
        "progress of several": ("dossiers", lambda answer: replies.progress_of(answer, {REFERENCE: ""})),
        "notification": ("notification", lambda answer: replies.progress(answer, REFERENCE)),
        "health": ("provider", replies.health),
        "problem": ("description", replies.problem),
    }
    members = {"client_reference": REFERENCE, "state": "processing", "accepted_at": "2026-03-02T03:04:05Z", "code": "x"}
    whole = json.dumps({**members, "steps": []}).encode()[1:-1] + b", "

    def reader(name: str, member: str, read: Callable[[Any], object]) -> Reader:
        inputs = hostile.json_bodies(member)
        inputs |= {f"{what}, else whole": content.replace(b"{", b"{" + whole, 1) for what, content in inputs.items()}
        return Reader(f"gateway: {name}", lambda content: read(reply(200, content, None)), refusals, inputs)

    return [reader(name, member, read) for name, (member, read) in calls.items()]


def _calls(hostile: Hostile) -> list[Reader]:
    (agent,) = _addon("controllers.agent")

    def body(content: bytes) -> Any:
        agent.request = SimpleNamespace(
            httprequest=SimpleNamespace(mimetype="application/json", get_data=lambda: content)
        )
        return agent._body()

    def heartbeat(content: bytes) -> object:
        found = body(content)
        ders = [
            agent._base64(value, agent.MAX_CERTIFICATE_BYTES) for value in agent._strings(found, "certificates", 64)
        ]
        return ders, agent._tokens(found), agent._text(found, "version", 32)

    def delivered(content: bytes) -> object:
        found = body(content)
        documents = [agent._base64(entry.get("document"), agent.MAX_BODY_BYTES) for entry in agent._entries(found)]
        return documents, agent._text(found, "message", 500)

    def one(content: bytes) -> object:
        return agent._base64(body(content).get("document"), agent.MAX_BODY_BYTES)

    return [
        Reader(f"call of an agent: {name}", read, (agent.ProtocolError,), hostile.json_bodies(member))
        for name, member, read in (
            ("heartbeat", "certificates", heartbeat),
            ("tokens", "tokens", heartbeat),
            ("signed", "document", one),
            ("several signed", "signed", delivered),
            ("failed", "message", delivered),
        )
    ]


def _agents(hostile: Hostile) -> list[Reader]:
    """The agent program's readers of what a server sends."""
    client, document, doorbell, errors, certificate = (
        importlib.import_module(f"ibhxh_agent.{name}")
        for name in ("client", "document", "doorbell", "errors", "certificate")
    )
    dossier, pki = _addon("tools.dossier", "tests.samples.signing")
    markup = [(what, text.encode()) for what, text in hostile.markup().items()]
    # Forms of more than 64 KiB are not even looked at.
    small = [(what, text.encode()) for what, text in Hostile(60 * 1024).markup().items()]
    unsigned = dossier.build("04", pki.data())
    inside = {what: _inside(unsigned, b"<ToKhais/>", b"<ToKhais>%s</ToKhais>", text) for what, text in markup}
    field = {what: _inside(unsigned, b"<DiaChi>", b"<DiaChi>%s", text) for what, text in small}
    session = object.__new__(client.Client)
    return [
        Reader(
            "agent: document",
            document.read,
            (errors.SigningError,),
            {**inside, **{f"in a field, {what}": xml for what, xml in field.items()}},
        ),
        Reader(
            "agent: answer",
            lambda content: session._answer(200, content, ""),
            (client.Unreachable, client.ServerError),
            hostile.json_bodies("document"),
        ),
        Reader(
            "agent: doorbell",
            doorbell._rings,
            (),
            {**hostile.json_bodies("message"), "messages": b"[" + b'{"message":{}},' * (hostile.size // 15) + b"1]"},
        ),
        Reader(
            "agent: certificate",
            certificate.TokenCertificate.from_der,
            (certificate.CertificateUnreadable,),
            {"zeros": b"\0" * MIB, "sequences": b"\x30" * MIB, "base64": base64.b64encode(b"x" * MIB)},
        ),
    ]
