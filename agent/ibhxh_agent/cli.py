"""The command ``ibhxh-agent``."""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from ibhxh_agent import __version__
from ibhxh_agent.children import CHILD_FLAG
from ibhxh_agent.config import SCHEME


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 = done, 1 = an error that was told, 2 = wrong usage, 3 = the server refused this computer."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _write_utf_8()
    if given[:1] == [CHILD_FLAG]:
        return _child(given[1:])
    # Not at the top: a child must start fast, and a token child must not import what it does not need.
    from ibhxh_agent.errors import AgentError
    from ibhxh_agent.hardening import forbid_memory_dumps
    from ibhxh_agent.texts import text, use_language

    forbid_memory_dumps()
    # Commands tell their findings themselves; only `run` keeps a log.
    logging.getLogger().addHandler(logging.NullHandler())
    logging.captureWarnings(True)
    options = _parser().parse_args(_with_command(given))
    use_language(options.lang or _kept_language(options.config_dir))
    module, name = options.command.split(".")
    if module == "commands":  # the program with the icon stays small: it talks to no server
        import truststore

        # TLS is verified with the trust store of the operating system, where a company puts its own CA.
        truststore.inject_into_ssl()
    try:
        return int(getattr(importlib.import_module(f"ibhxh_agent.{module}"), name)(options))
    except AgentError as error:
        refused = error.code in ("invalid_key", "revoked", "wrong_device")
        print(error.message, file=sys.stderr)
        if refused or error.code in ("not_paired", "bad_settings"):
            print(text("cli_pair"), file=sys.stderr)
        elif error.code == "not_protocol" and not getattr(options, "database", "none is asked for"):
            print(text("cli_database"), file=sys.stderr)
        return 3 if refused else 1
    except KeyboardInterrupt:
        return 130


def _write_utf_8() -> None:
    """Whatever the output is: a file or pipe on Windows would get the code page, which lacks Vietnamese letters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # none in a windowed program
            stream.reconfigure(encoding="utf-8", errors="replace")


def _with_command(given: Sequence[str]) -> list[str]:
    """A double click gives no argument, and a browser gives a link alone."""
    if len(given) == 1 and given[0].lower().startswith(f"{SCHEME}:"):
        return ["link", given[0]]
    if given:
        return list(given)
    from ibhxh_agent.prompt.choose import can_show_windows

    return ["open"] if can_show_windows() else []


def _kept_language(folder: Path | None) -> str:
    from ibhxh_agent.config import Folder
    from ibhxh_agent.errors import AgentError

    try:
        return Folder(folder).load().language
    except AgentError:  # told by the command, when it needs the settings
        return "vi"


def _child(arguments: Sequence[str]) -> int:
    if list(arguments) == ["token"]:
        from ibhxh_agent.tokens import worker

        worker.main()
        return 0
    if list(arguments) == ["window"]:
        from ibhxh_agent.prompt import window_child

        window_child.main()
        return 0
    if list(arguments) == ["panel"]:
        from ibhxh_agent import panel_child

        panel_child.main()
        return 0
    if list(arguments) == ["agent"]:
        from ibhxh_agent import agent_child

        agent_child.main()
        return 0
    return 2


def _parser() -> argparse.ArgumentParser:
    from ibhxh_agent.prompt.choose import KINDS

    parser = argparse.ArgumentParser(
        prog="ibhxh-agent",
        description="Ký tờ khai BHXH bằng USB token trên máy này cho Odoo (signs BHXH forms for Odoo with your token).",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--config-dir", type=Path, help="thư mục cấu hình (settings folder)")
    parser.add_argument(
        "--library", action="append", default=[], help="chỉ dùng thư viện PKCS#11 này (use only this one)"
    )
    parser.add_argument("--lang", choices=("vi", "en"), help="ngôn ngữ (language)")
    subparsers = parser.add_subparsers(required=True, metavar="LỆNH")

    link = subparsers.add_parser("link", help="mở liên kết ghép máy của Odoo (open Odoo's pairing link)")
    link.add_argument("link", metavar="ibhxh-agent://…")
    link.set_defaults(command="app.open_link")

    pair = subparsers.add_parser("pair", help="ghép máy này với Odoo (pair with Odoo)")
    pair.add_argument("--server", required=True, help="https://…")
    pair.add_argument("--database", default="", help="tên cơ sở dữ liệu, nếu máy chủ có nhiều (database name)")
    pair.add_argument("--name", default="", help="tên máy hiện trong Odoo (name shown in Odoo)")
    pair.add_argument("--code", help="mã ghép máy; không có thì hỏi (asked for when missing)")
    pair.set_defaults(command="commands.pair")

    run = subparsers.add_parser("run", help="chờ và ký (wait and sign)")
    run.add_argument("--once", action="store_true", help="một lượt rồi thoát (one round, then exit)")
    run.add_argument("--prompt", choices=KINDS, default="auto", help="cách hỏi PIN (how to ask for the PIN)")
    given = run.add_mutually_exclusive_group()
    given.add_argument("--pin-fd", type=int, metavar="N", help="đọc PIN từ file descriptor (read the PIN from there)")
    given.add_argument("--pin-stdin", action="store_true", help="đọc PIN từ stdin (read the PIN from standard input)")
    run.add_argument(
        "--token", action="append", default=[], metavar="TÊN", help="PIN đã cho là của token này (its label)"
    )
    run.add_argument("--poll-interval", type=float, metavar="GIÂY", help="giây giữa hai lần hỏi máy chủ (seconds)")
    run.add_argument("--no-doorbell", action="store_true", help="chỉ hỏi định kỳ, không dùng chuông (polling only)")
    run.set_defaults(command="commands.run")

    status = subparsers.add_parser("status", help="agent đang chạy và kết nối không (is it running and connected)")
    status.add_argument("--json", action="store_true")
    status.set_defaults(command="commands.status")

    certificates = subparsers.add_parser("certificates", help="chứng thư trên các token (certificates on the tokens)")
    certificates.add_argument("--json", action="store_true")
    certificates.set_defaults(command="commands.certificates")

    start = subparsers.add_parser("start", help="chạy với biểu tượng cạnh đồng hồ (run with an icon beside the clock)")
    start.add_argument("--crashes", type=int, default=0, help=argparse.SUPPRESS)
    start.set_defaults(command="app.start")

    for name, command, help_text in (
        ("open", "app.open_program", "mở cửa sổ (show the window; also without a command)"),
        ("stop", "app.stop", "dừng chương trình đang chạy (end the program that runs)"),
        ("self-test", "commands.self_test", "thử từng phần của chương trình (try each part of this program)"),
        ("forget", "commands.forget", "xóa kết nối, cấu hình và nhật ký (remove pairing, settings and logs)"),
        ("doctor", "commands.examine", "kiểm tra và chỉ cách sửa (diagnose)"),
        ("install", "commands.install", "tự chạy khi đăng nhập (start at login)"),
        ("uninstall", "commands.uninstall", "không tự chạy nữa (no longer start at login)"),
    ):
        subparsers.add_parser(name, help=help_text).set_defaults(command=command)
    return parser
