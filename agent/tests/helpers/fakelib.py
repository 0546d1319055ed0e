"""The misbehaving PKCS#11 library: compiles it and changes its behaviour."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pki
from cryptography.hazmat.primitives.asymmetric import rsa

from ibhxh_agent.config import write_private

PIN = "Fake-4482-pin"


def compile_library(folder: Path) -> Path:
    """Build it with the system's C compiler; for Windows :mod:`windows_libraries` built it beforehand."""
    if sys.platform == "win32":
        return Path(os.environ["IBHXH_TEST_LIBRARIES"], "fakep11.dll")
    target = folder / "fakep11.so"
    source = Path(__file__).with_name("fakep11.c")
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(target), str(source)], check=True)
    return target


@dataclass
class FakeLibrary:
    """One fake token; :meth:`behave` changes it while it is loaded."""

    path: str
    folder: Path
    certificate: bytes
    key: rsa.RSAPrivateKey
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "certificate.der").write_bytes(self.certificate)
        self.log.touch()
        numbers = self.key.private_numbers()
        self.behave(
            cert=str(self.folder / "certificate.der"),
            n=f"{numbers.public_numbers.n:x}",
            d=f"{numbers.d:x}",
            pin=PIN,
            log=str(self.log),
        )

    @classmethod
    def make(cls, path: Path, folder: Path, tax_code: str = pki.TAX_CODE, number: int = 50) -> FakeLibrary:
        key = pki.key(number)
        return cls(str(path), folder, pki.certificate(key, tax_code, name="CÔNG TY CỔ PHẦN GIẢ LẬP"), key)

    @property
    def config(self) -> Path:
        return self.folder / "fakep11.conf"

    @property
    def log(self) -> Path:
        return self.folder / "logins.log"

    @property
    def logins(self) -> list[str]:
        """One line for each C_Login that reached the library."""
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("login")]

    def second_token(self, certificate: bytes, key: rsa.RSAPrivateKey, pin: str, **settings: str) -> None:
        """Plug another token in, in slot 8, of the same maker and serial number where ``settings`` say nothing."""
        (self.folder / "second.der").write_bytes(certificate)
        numbers = key.private_numbers()
        own = {
            "cert": str(self.folder / "second.der"),
            "n": f"{numbers.public_numbers.n:x}",
            "d": f"{numbers.d:x}",
            "pin": pin,
            **settings,
        }
        self.behave(slots="2", **{f"{name}.8": value for name, value in own.items()})

    def behave(self, **settings: str) -> None:
        """Change settings, see fakep11.c."""
        self.settings.update(settings)
        write_private(self.config, "".join(f"{name} {value}\n" for name, value in self.settings.items()))
