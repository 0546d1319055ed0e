"""The command ``ibhxh-agent``."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import truststore

from ibhxh_agent import __version__
from ibhxh_agent.children import CHILD_FLAG
from ibhxh_agent.client import Client, Credentials, Server
from ibhxh_agent.config import Folder, Pairing
from ibhxh_agent.errors import AgentError
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.texts import text, use_language


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 = done, 1 = an error that was told, 2 = wrong usage, 3 = the server refused this computer."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == [CHILD_FLAG]:
        return _child(given[1:])
    forbid_memory_dumps()
    options = _parser().parse_args(given)
    use_language(options.lang)
    # TLS is verified with the trust store of the operating system, where a company puts its own CA.
    truststore.inject_into_ssl()
    try:
        return int(options.command(options))
    except AgentError as error:
        print(error.message, file=sys.stderr)
        return 3 if error.code in ("invalid_key", "revoked", "wrong_device") else 1
    except KeyboardInterrupt:
        return 130


def _child(arguments: Sequence[str]) -> int:
    if list(arguments) == ["token"]:
        from ibhxh_agent.tokens import worker

        worker.main()
        return 0
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ibhxh-agent",
        description="Ký tờ khai BHXH bằng USB token trên máy này cho Odoo (signs BHXH forms for Odoo with your token).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--config-dir", type=Path, help="thư mục cấu hình (settings folder)")
    parser.add_argument("--library", action="append", default=[], help="thư viện PKCS#11, dùng riêng các thư viện này")
    parser.add_argument("--lang", choices=("vi", "en"), default="vi", help="ngôn ngữ (language)")
    commands = parser.add_subparsers(required=True, metavar="LỆNH")

    pair = commands.add_parser("pair", help="ghép máy này với Odoo (pair with Odoo)")
    pair.add_argument("--server", required=True, help="https://…")
    pair.add_argument("--database", default="", help="tên cơ sở dữ liệu, nếu máy chủ có nhiều (database name)")
    pair.add_argument("--name", default="", help="tên máy hiện trong Odoo (name shown in Odoo)")
    pair.add_argument("--code", help="mã ghép máy; không có thì hỏi (asked for when missing)")
    pair.set_defaults(command=_pair)

    run = commands.add_parser("run", help="chờ và ký (wait and sign)")
    run.add_argument("--once", action="store_true", help="một lượt rồi thoát (one round, then exit)")
    run.add_argument("--pin-fd", type=int, help="đọc PIN từ file descriptor này (read the PIN from this descriptor)")
    run.add_argument("--keep-pin", type=float, default=0, metavar="PHÚT", help="nhớ PIN trong bộ nhớ (minutes)")
    run.add_argument("--poll-interval", type=float, metavar="GIÂY", help="giây giữa hai lần hỏi máy chủ (seconds)")
    run.set_defaults(command=_run)

    certificates = commands.add_parser("certificates", help="chứng thư trên các token (certificates on the tokens)")
    certificates.add_argument("--json", action="store_true")
    certificates.set_defaults(command=_certificates)
    return parser


def _pair(options: argparse.Namespace) -> int:
    import platform

    server = Server.parse(options.server)
    code = options.code or input(text("ask_code") + " ")
    name = options.name or platform.node()
    answer = Client(server, options.database).pair(code.strip(), name)
    folder = Folder(options.config_dir)
    settings = folder.load()
    store = SecretStore(folder)
    if settings.pairing is not None:
        store.delete(settings.pairing.agent)
    store.set(str(answer["agent"]), str(answer["key"]))
    settings.pairing = Pairing(
        server=server.base,
        database=str(options.database or answer.get("database") or ""),
        agent=str(answer["agent"]),
        name=name,
        user=str(answer.get("user") or ""),
        expires_at=str(answer["expires_at"]),
    )
    folder.save(settings)
    print(text("paired", server=server.base, user=settings.pairing.user, expires_at=settings.pairing.expires_at))
    return 0


def _certificates(options: argparse.Namespace) -> int:
    from ibhxh_agent.tokens.setup import token_manager

    manager = token_manager(Folder(options.config_dir).load(), options.library)
    try:
        manager.refresh(everything=True)
    finally:
        manager.close()
    rows = [
        {
            "fingerprint": certificate.fingerprint,
            "name": certificate.common_name,
            "tax_codes": list(certificate.tax_codes),
            "issuer": certificate.issuer_name,
            "serial": certificate.serial,
            "not_before": certificate.not_before.isoformat(),
            "not_after": certificate.not_after.isoformat(),
            "token": manager.find(certificate.fingerprint).label,
        }
        for certificate in manager.certificates()
    ]
    if options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        for row in rows:
            print(f"{row['name']} — MST {', '.join(row['tax_codes'])} — {row['issuer']} — {row['not_after'][:10]}")
        if not rows:
            print(text("no_certificates"))
    for problem in manager.problems.values():
        print(problem, file=sys.stderr)
    return 0


def _run(options: argparse.Namespace) -> int:
    from ibhxh_agent.batch import BatchSigner
    from ibhxh_agent.outbox import Leases, Outbox
    from ibhxh_agent.prompt.choose import choose_prompt
    from ibhxh_agent.runner import Agent
    from ibhxh_agent.tokens.setup import token_manager

    folder = Folder(options.config_dir)
    pairing = folder.paired()
    store = SecretStore(folder)
    key = store.get(pairing.agent)
    if not key:
        raise AgentError("not_paired", text("not_paired"))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    client = Client(Server.parse(pairing.server), pairing.database, Credentials(key, pairing.agent))
    prompt = choose_prompt(options.pin_fd)
    manager = token_manager(folder.load(), options.library)
    outbox, leases = Outbox(client.another()), Leases(client.another())
    signer = BatchSigner(manager, prompt, outbox, leases, pairing.server, options.keep_pin)
    agent = Agent(client, manager, signer, outbox, folder, store, options.poll_interval)

    def stop(_signal: int, _frame: object) -> None:
        agent.stopping.set()
        agent.wake.set()

    signal.signal(signal.SIGTERM, stop)
    if os.name == "posix":
        signal.signal(signal.SIGINT, stop)
    try:
        if options.once:
            agent.once()
        else:
            agent.run()
        outbox.wait_empty(5)
    finally:
        signer.pins.forget_all()
        manager.close()
        leases.stop()
        outbox.stop()
    return 0
