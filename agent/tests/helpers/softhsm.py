"""Makes tokens with SoftHSM2. Run as a program it fills one token, because a library cannot be told of new tokens.

On Windows, where there is no SoftHSM2 to be had, the tokens are those of :mod:`fakep11.c`.
"""

from __future__ import annotations

import base64
import glob
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path


def find(name: str, *folders: str) -> str:
    """A library by file name: in LD_LIBRARY_PATH (a private installation), or where distributions put it."""
    private = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for folder in [*filter(None, private), *folders]:
        for path in sorted(glob.glob(os.path.join(folder, name))):
            return path
    raise FileNotFoundError(f"{name} is needed by the tests (Debian: softhsm2, opensc-pkcs11)")


if sys.platform == "win32":
    LIBRARY = os.path.join(os.environ["IBHXH_TEST_LIBRARIES"], "softhsm2.dll")
    SPY = "there is none for Windows"
else:
    LIBRARY = find(
        "libsofthsm2.so",
        "/usr/lib/softhsm",
        "/usr/lib64/pkcs11",
        "/usr/lib64/softhsm",
        "/usr/local/lib/softhsm",
        "/usr/lib/*/softhsm",
    )
    SPY = find("pkcs11-spy.so", "/usr/lib/*", "/usr/lib64", "/usr/lib/*/pkcs11", "/usr/lib64/pkcs11")
PIN = "Pin-7319-bí"
SO_PIN = "so-pin-5521"


@dataclass
class SoftHsm:
    """A folder with tokens; :attr:`environment` makes a program see them."""

    folder: Path
    labels: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / "tokens").mkdir(parents=True)
        # The model library would have a token of its own.
        begin = (
            "slots 0" if sys.platform == "win32" else f"directories.tokendir = {self.folder}/tokens\nlog.level = ERROR"
        )
        self.config.write_text(begin + "\n", encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "softhsm2.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.config)}

    def add(self, label: str, entries: list[tuple[object, bytes]], pin: str = PIN, **attributes: bool) -> None:
        """A token with these (private key, certificate DER) pairs."""
        if sys.platform == "win32":
            self._add_model(label, entries, pin, **attributes)
            self.labels.append(label)
            return
        from cryptography.hazmat.primitives import serialization

        init = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", SO_PIN]
        subprocess.run(init, env=self.environment, check=True, capture_output=True)
        plan = {
            "label": label,
            "pin": pin,
            "attributes": attributes,
            "entries": [
                {
                    "key": base64.b64encode(
                        private.private_bytes(  # type: ignore[attr-defined]
                            serialization.Encoding.DER,
                            serialization.PrivateFormat.PKCS8,
                            serialization.NoEncryption(),
                        )
                    ).decode(),
                    "certificate": base64.b64encode(der).decode(),
                }
                for private, der in entries
            ],
        }
        subprocess.run(
            [sys.executable, __file__],
            env=self.environment,
            input=json.dumps(plan).encode(),
            check=True,
            capture_output=True,
        )
        self.labels.append(label)

    def _add_model(self, label: str, entries: list[tuple[object, bytes]], pin: str, **attributes: bool) -> None:
        """A token of the model library, which holds one certificate at most."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        slot = 7 + len(self.labels)
        settings = {"label_hex": label.encode().ljust(32).hex(), "pin": pin, "serial": f"SOFT{slot:04}"}
        settings["always_auth"] = str(int(attributes.get("always_authenticate", False)))
        for private, der in entries:
            assert "cert" not in settings, "one certificate at most"
            certificate = self.folder / f"{slot}.der"
            certificate.write_bytes(der)
            settings["cert"] = str(certificate)
            if isinstance(private, rsa.RSAPrivateKey):
                numbers = private.private_numbers()
                settings |= {"n": f"{numbers.public_numbers.n:x}", "d": f"{numbers.d:x}"}
        with self.config.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(f"slots {len(self.labels) + 1}\n")
            stream.writelines(f"{name}.{slot} {value}\n" for name, value in settings.items())

    def remove(self, label: str) -> None:
        """Pull the token out."""
        if sys.platform == "win32":
            with self.config.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(f"present.{7 + self.labels.index(label)} 0\n")
            return
        delete = ["softhsm2-util", "--delete-token", "--token", label]
        subprocess.run(delete, env=self.environment, check=True, capture_output=True)


def _fill() -> None:
    import pkcs11
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_der_private_key
    from pkcs11 import Attribute, KeyType, ObjectClass

    plan = json.load(sys.stdin)
    token = pkcs11.lib(LIBRARY).get_token(token_label=plan["label"])
    with token.open(rw=True, user_pin=plan["pin"]) as session:
        for number, entry in enumerate(plan["entries"], start=1):
            session.create_object(
                {
                    Attribute.CLASS: ObjectClass.CERTIFICATE,
                    Attribute.CERTIFICATE_TYPE: pkcs11.CertificateType.X_509,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: False,
                    Attribute.ID: bytes([number]),
                    Attribute.SUBJECT: b"0\x00",
                    Attribute.VALUE: base64.b64decode(entry["certificate"]),
                }
            )
            private = load_der_private_key(base64.b64decode(entry["key"]), None)
            if not isinstance(private, rsa.RSAPrivateKey):
                continue
            numbers = private.private_numbers()

            def raw(value: int) -> bytes:
                return value.to_bytes((value.bit_length() + 7) // 8, "big")

            session.create_object(
                {
                    Attribute.CLASS: ObjectClass.PRIVATE_KEY,
                    Attribute.KEY_TYPE: KeyType.RSA,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: True,
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.SIGN: True,
                    Attribute.ALWAYS_AUTHENTICATE: bool(plan["attributes"].get("always_authenticate")),
                    Attribute.ID: bytes([number]),
                    Attribute.MODULUS: raw(numbers.public_numbers.n),
                    Attribute.PUBLIC_EXPONENT: raw(numbers.public_numbers.e),
                    Attribute.PRIVATE_EXPONENT: raw(numbers.d),
                    Attribute.PRIME_1: raw(numbers.p),
                    Attribute.PRIME_2: raw(numbers.q),
                    Attribute.EXPONENT_1: raw(numbers.dmp1),
                    Attribute.EXPONENT_2: raw(numbers.dmq1),
                    Attribute.COEFFICIENT: raw(numbers.iqmp),
                }
            )


if __name__ == "__main__":
    _fill()
