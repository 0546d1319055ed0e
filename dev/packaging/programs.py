"""The agent for people without Python: the installer for Windows, made under Wine, and the package for Debian.

Both stay in .runtime/dist. What the installer does there is tried by agent/packaging/trial.py.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..console import Problem
from ..paths import PYTHON, ROOT
from ..screen import virtual_screen
from ..setup import windows

RECIPES = ROOT / "agent" / "packaging"


def make(dist: Path, work: Path, step: Callable[[str], None]) -> tuple[Path, Path]:
    """Make both.

    :param dist: where they stay
    :param work: a folder for what is left over
    :return: installer, Debian package
    """
    work.mkdir(parents=True, exist_ok=True)
    step("building the agent for Linux")
    package = debian(work / "linux", dist)
    step(f"built {package.name}, {_megabytes(package)}; building the agent for Windows, under Wine")
    installer = windows_installer(windows_program(work / "windows"), dist)
    step(f"built {installer.name}, {_megabytes(installer)}")
    return installer, package


def windows_program(output: Path) -> Path:
    """Run PyInstaller under Wine, and the program's own test; the folder with ibhxh-agent.exe. Some six minutes."""
    windows.install()
    command = ["-X", "utf8", "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", _wine_path(output / "dist"), "--workpath", _wine_path(output / "build")]
    with virtual_screen() as display, windows.running(display) as variables:
        run_windows([windows.WINDOWS_PYTHON, *command, _wine_path(RECIPES / "ibhxh-agent.spec")], variables)
        built = output / "dist" / "ibhxh-agent"
        run_windows([built / "ibhxh-agent-cli.exe", "self-test"], variables)
    return built


def windows_installer(built: Path, dist: Path) -> Path:
    """The installer of a built program."""
    _run([PYTHON, RECIPES / "installer.py", built, dist])
    (made,) = dist.glob("ibhxh-agent-*-windows-x86_64.exe")
    return made


def debian(output: Path, dist: Path) -> Path:
    """The package for Debian and Ubuntu."""
    _run([PYTHON, RECIPES / "build.py", output])
    _run([PYTHON, RECIPES / "debian.py", output / "dist" / "ibhxh-agent", dist])
    (made,) = dist.glob("ibhxh-agent_*.deb")
    return made


def run_windows(command: Sequence[str | Path], variables: dict[str, str], seconds: float = 1800) -> str:
    """Run a Windows program to its end; what it printed.

    :raises Problem: it ends with an error
    """
    # A pipe for the output: Python for Windows does not start under Wine 8 with a file there.
    done = subprocess.run(
        ["wine", *(str(part) for part in command)],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=seconds,
        check=False,
    )
    output = done.stdout.decode("utf-8", errors="replace")
    if done.returncode:
        raise Problem(f"{Path(command[0]).name} failed:\n{output[-3000:]}", "Correct it, then run ./run package again.")
    return output


def _run(command: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> None:
    environment = {**os.environ, **(variables or {})}
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem((done.stdout + done.stderr)[-3000:], "Correct it, then run ./run package again.")


def _wine_path(path: Path) -> str:
    return "Z:" + str(path.resolve()).replace("/", "\\")


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 2**20:.1f} MiB"


def prove_signing(program: Path, work: Path) -> None:
    """Sign copies of a program with a throw-away key, in a file and in a PKCS#11 token, and verify the signatures.

    :raises Problem: one of them cannot be made, or is not good
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    certificate = work / "signer.pem"
    certificate.write_bytes(_code_signing_certificate(key))
    plain = work / "signer.key"
    plain.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    pin = work / "signer.pin"
    pin.write_text("4711-throw-away", encoding="ascii")
    tokens = work / "tokens"
    tokens.mkdir()
    configuration = work / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tokens}\n", encoding="utf-8")
    hsm = {"SOFTHSM2_CONF": str(configuration)}
    pins = ["--so-pin", "12345678", "--pin", pin.read_text(encoding="ascii")]
    _run(["softhsm2-util", "--init-token", "--free", "--label", "release", *pins], hsm)
    load = ["softhsm2-util", "--import", str(plain), "--token", "release", "--label", "signer", "--id", "01"]
    _run([*load, *pins[2:]], hsm)
    in_file = {"IBHXH_SIGN_CERTIFICATE": str(certificate), "IBHXH_SIGN_KEY": str(plain)}
    in_token = {
        **hsm,
        "IBHXH_SIGN_CERTIFICATE": str(certificate),
        "IBHXH_SIGN_KEY": "pkcs11:token=release;object=signer;type=private",
        "IBHXH_SIGN_MODULE": softhsm_library(),
        "IBHXH_SIGN_PASSWORD": str(pin),
    }
    for name, variables in (("file", in_file), ("token", in_token)):
        copy = work / f"signed-by-{name}.exe"
        shutil.copy(program, copy)
        _run([PYTHON, RECIPES / "sign.py", copy], variables)
        _run(["osslsigncode", "verify", "-CAfile", certificate, "-in", copy])
        if copy.read_bytes() == program.read_bytes():
            raise Problem(f"With the key in a {name}, nothing was signed.", "See agent/packaging/sign.py.")


def softhsm_library() -> str:
    """Where SoftHSM2 is."""
    return str(next(Path("/usr/lib").glob("**/libsofthsm2.so")))


def _code_signing_certificate(key: rsa.RSAPrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "l10n_vn_ibhxh (thrown away)")])
    now = dt.datetime.now(dt.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)
