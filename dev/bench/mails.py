"""Mails through parser and matching, with many registrations. Runs inside Odoo (see `inside`)."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

from odoo.addons.l10n_vn_ibhxh.tools import vss_mail

from . import crowd

SERVER = "mx.example.com"
"""What the company's mail server calls itself in Authentication-Results."""


def activation_mail(number: int) -> bytes:
    """VSS's mail for registration `number` of the crowd."""
    message = EmailMessage()
    message["Authentication-Results"] = f"{SERVER}; dmarc=pass header.from=baohiemxahoi.gov.vn"
    message["Subject"] = "Mã kích hoạt giao dịch điện tử BHXH"
    message["From"] = "noreply@baohiemxahoi.gov.vn"
    message["To"] = "ke.toan@example.com"
    message["Message-Id"] = f"<{number}@vss.example>"
    link = f"https://dichvucong.baohiemxahoi.gov.vn/#/kich-hoat/{number:064X}"
    message.set_content(
        f"Hồ sơ {crowd.dossier_number(number)} đã được tiếp nhận.\n"
        f"Mã số thuế: {crowd.tax_code(number)}\n"
        f"Mã kích hoạt: AB{number:08d}\n"
        f"Kích hoạt tại {link}\n"
    )
    return message.as_bytes()


def measure(env: Any, registrations: int, mails: int, whole: int) -> dict[str, Any]:
    """Read and match `mails` mails, then take `whole` further ones in completely.

    :return: medians in microseconds (`read` and `match`: of the processor; `database`: of the statements of one
        match, on the clock; `whole`: on the clock), `queries` of one match (the most), `matched`
    """
    crowd.gather(env, "quiet", registrations)
    env["ir.config_parameter"].set_param("l10n_vn_ibhxh.mail_authentication_server", SERVER)
    model = env["l10n_vn_ibhxh.mail"]
    thread = threading.current_thread()
    thread.query_count, thread.query_time = 0, 0.0  # type: ignore[attr-defined]
    times: dict[str, list[float]] = {"read": [], "match": [], "whole": [], "database": []}
    queries = []
    matched = 0
    for index in range(mails):
        source = activation_mail(1 + (index * 7919) % registrations)
        reading = _timed(times["read"], vss_mail.read, source)
        env.invalidate_all()
        before, asked = thread.query_count, thread.query_time  # type: ignore[attr-defined]
        found, _reason = _timed(times["match"], model._match, reading)
        queries.append(thread.query_count - before)  # type: ignore[attr-defined]
        times["database"].append((thread.query_time - asked) * 1e6)  # type: ignore[attr-defined]
        matched += len(found)
    for index in range(whole):
        source = activation_mail(1 + (index * 7919) % registrations)
        _timed(times["whole"], _taken_in, env, source, clock=time.perf_counter)
    return {
        **{name: statistics.median(values) for name, values in times.items()},
        "queries": max(queries),
        "matched": matched,
    }


def _taken_in(env: Any, source: bytes) -> None:
    """One mail, as the mail gateway hands it over, with the commit that follows."""
    mail = env["l10n_vn_ibhxh.mail"]._receive(source)
    if mail.state != "done":
        raise RuntimeError(f"The mail was not applied: {mail.reason}")
    env.cr.commit()


def _timed(
    times: list[float], call: Callable[..., Any], *arguments: Any, clock: Callable[[], float] = time.process_time
) -> Any:
    started = clock()
    result = call(*arguments)
    times.append((clock() - started) * 1e6)
    return result
