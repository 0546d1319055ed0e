"""The frozen program on a Windows computer with a real Odoo: an accountant's way up to the dossier at the I-VAN."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from integration.ca import CertificateAuthority
from integration.case import Case
from integration.waiting import until
from integration.windows import WindowsComputer

PIN = "Pin-7319"
BUILDING = 1800
"""Seconds that the first test may take, in which the program is built."""


class WindowsToken:
    """A token of the tests' PKCS#11 library, with the structures of Windows: one certificate of one company."""

    def __init__(self, folder: Path, pc: WindowsComputer, tax_code: str, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = CertificateAuthority().issue(key.public_key(), tax_code=tax_code, name=name)
        (folder / "certificate.der").write_bytes(self.certificate)
        self.log = folder / "logins.log"
        self.log.touch()
        numbers = key.private_numbers()
        settings = {
            "cert": pc.path(folder / "certificate.der"),
            "n": f"{numbers.public_numbers.n:x}",
            "d": f"{numbers.d:x}",
            "pin": PIN,
            "log": pc.path(self.log),
        }
        config = folder / "fakep11.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
        self.environment = {"FAKEP11": pc.path(config)}

    def logins(self) -> list[str]:
        """One line for each C_Login."""
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("login")]


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
        until("the signature", lambda: _enter_pin(pc, token) and case.state != "to_sign", seconds=240)
        case.check_accepted()
    finally:
        pc.end(agent)
    assert len(token.logins()) == 1
    signed = base64.b64decode(bytes(case.row()["signed_document"]))
    assert xmlsec_accepts(signed, token.certificate, tmp_path)
    assert not xmlsec_accepts(signed.replace(case.tax_code.encode(), b"0100000000"), token.certificate, tmp_path)


def _enter_pin(pc: WindowsComputer, token: WindowsToken) -> bool:
    """Do what a person does who sees the window; again until the token was asked, as nobody tells when it came."""
    if not token.logins():
        width, height = pc.size
        pc.click(width // 2, height // 2)
        threading.Event().wait(1.5)  # the window is deaf until keys and mouse rest
        pc.press("alt+m")
        pc.type(PIN)
        pc.press("Return")
    return bool(token.logins())


def xmlsec_accepts(document: bytes, certificate: bytes, folder: Path) -> bool:
    """The verdict of an implementation that is not ours."""
    (folder / "signed.xml").write_bytes(document)
    (folder / "certificate.der").write_bytes(certificate)
    command = ["xmlsec1", "--verify", "--pubkey-cert-der", "certificate.der", "--id-attr:Id", "Signature", "signed.xml"]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), capture_output=True, check=False).returncode == 0
