"""The frozen program on a Windows computer with a real Odoo: an accountant's way up to the dossier at the I-VAN."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from pathlib import Path

import pytest

from integration.case import Case
from integration.waiting import until
from integration.windows import PIN, WindowsComputer, WindowsToken

BUILDING = 3600
"""Seconds that the first test may take, in which the program is built."""


@pytest.mark.timeout(BUILDING)
def test_w4_every_part_of_the_program_starts(pc: WindowsComputer, program: Path) -> None:
    done = pc.run(str(program / "ibhxh-agent-cli.exe"), "self-test")
    assert done.code == 0, done.output
    assert {"tray icon: ok", "window: ok", "token child: ok", "keyring: ok"} <= set(done.output.splitlines())


@pytest.mark.timeout(BUILDING)
def test_w5_its_report_for_the_helpdesk_is_vietnamese(pc: WindowsComputer, program: Path, tmp_path: Path) -> None:
    """Through a pipe, as into a file."""
    done = pc.run(str(program / "ibhxh-agent-cli.exe"), "--config-dir", pc.path(tmp_path), "doctor")
    assert "Máy này chưa được ghép với Odoo" in done.output and done.code == 1


@pytest.mark.timeout(BUILDING)
def test_w1_a_drivers_library_in_system32_is_found(pc: WindowsComputer, program: Path, tmp_path: Path) -> None:
    """By the real environment, and the token of its vendor is read: no option, no settings."""
    token = WindowsToken(tmp_path / "token", pc, "0109000001", "CÔNG TY TNHH HOA SEN")
    library = pc.system_folder / "viettel-ca_v6.dll"
    library.write_bytes((pc.folder / "fakep11.dll").read_bytes())
    try:
        command = [str(program / "ibhxh-agent-cli.exe"), "--config-dir", pc.path(tmp_path / "c"), "doctor"]
        done = pc.run(*command, variables=token.environment)
    finally:
        library.unlink()
    assert "viettel-ca_v6.dll (Viettel-CA)" in done.output and "MST 0109000001" in done.output
    assert token.logins() == []


@pytest.mark.timeout(BUILDING)
def test_a_company_registers_from_a_windows_computer(
    pc: WindowsComputer, program: Path, case: Case, tmp_path: Path
) -> None:
    """Paired with the real Odoo, PIN typed into the window, one login, and a signature that xmlsec1 accepts."""
    token = WindowsToken(tmp_path / "token", pc, case.tax_code, case.company_name)
    base = [str(program / "ibhxh-agent-cli.exe"), "--config-dir", pc.path(tmp_path / "config")]
    base += ["--library", pc.path(pc.folder / "fakep11.dll")]
    stack = case.stack
    done = pc.run(*base, "pair", "--server", stack.url, "--name", "PC Windows", "--code", stack.pairing_code())
    assert done.code == 0, done.output
    agent = pc.start(*base, "run", "--poll-interval", "5", variables=token.environment)
    try:
        until(
            "the certificate in Odoo",
            lambda: stack.sql("SELECT 1 FROM l10n_vn_ibhxh_certificate WHERE tax_code = %s", [case.tax_code]),
        )
        case.register()
        until("the login", lambda: _enter_pin(pc, token))
        case.check_accepted()
    finally:
        pc.end(agent)
    assert len(token.logins()) == 1
    signed = base64.b64decode(bytes(case.row()["signed_document"]))
    assert xmlsec_accepts(signed, token.certificate, tmp_path)
    assert not xmlsec_accepts(signed.replace(case.tax_code.encode(), b"0100000000"), token.certificate, tmp_path)


def _enter_pin(pc: WindowsComputer, token: WindowsToken) -> bool:
    """Do what a person does who sees the window; again until the token was asked."""
    pc.click_on(pc.await_window("Yêu cầu ký điện tử"))
    threading.Event().wait(1.5)  # the window is deaf until keys and mouse rest
    pc.press("alt+m", "ctrl+a")
    pc.type(PIN)
    pc.press("Return")
    threading.Event().wait(1.5)
    return bool(token.logins())


def xmlsec_accepts(document: bytes, certificate: bytes, folder: Path) -> bool:
    """The verdict of an implementation that is not ours."""
    (folder / "signed.xml").write_bytes(document)
    (folder / "certificate.der").write_bytes(certificate)
    command = ["xmlsec1", "--verify", "--pubkey-cert-der", "certificate.der", "--id-attr:Id", "Signature", "signed.xml"]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, check=False).returncode == 0
