"""Makes tokens with SoftHSM2. Run as a program it makes one token, because a library cannot be told of new tokens.

On Windows the tokens are those of :mod:`fakep11.c`, a model, unless IBHXH_TEST_TOKENS=SoftHSM2.
"""

from __future__ import annotations

import base64
import ctypes
import glob
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

#: Where distributions and Homebrew put it.
_LINUX = (
    "/usr/lib/softhsm",
    "/usr/lib64/pkcs11",
    "/usr/lib64/softhsm",
    "/usr/local/lib/softhsm",
    "/usr/lib/*/softhsm",
)
_LINUX_SPY = ("/usr/lib/*", "/usr/lib64", "/usr/lib/*/pkcs11", "/usr/lib64/pkcs11")
_HOMEBREW = ("/opt/homebrew", "/usr/local")
#: Of SoftHSM2 for Windows, whose installer takes the drive with the most room.
_WINDOWS = ("C:/SoftHSM2/lib", "D:/SoftHSM2/lib")


def find(name: str, *folders: str) -> str:
    """A library by file name: in LD_LIBRARY_PATH (a private installation), or where distributions put it.

    :raises FileNotFoundError: it is nowhere
    """
    private = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    for folder in [*filter(None, private), *folders]:
        for path in sorted(glob.glob(os.path.join(folder, name))):
            return os.path.normpath(path)
    raise FileNotFoundError(f"{name} is needed by the tests (Debian: softhsm2, opensc-pkcs11)")


@dataclass(frozen=True)
class Libraries:
    """What the tests' tokens come from.

    :param spy: OpenSC's pkcs11-spy; empty = not installed, which is refused on Linux
    :param model: the model library takes SoftHSM2's place
    """

    softhsm: str
    spy: str
    model: bool = False


def libraries(platform: str = sys.platform, environment: Mapping[str, str] = os.environ, root: str = "") -> Libraries:
    """Look for them.

    :param root: put before every folder; a seam for tests
    :raises FileNotFoundError: there is no SoftHSM2, and no model library either
    """
    if platform == "win32":
        # Said, not guessed: else a SoftHSM2 that moved would quietly be replaced by its model.
        if environment.get("IBHXH_TEST_TOKENS") == "SoftHSM2":
            return Libraries(find("softhsm2-x64.dll", *_rooted(root, _WINDOWS)), "")
        if not (built := environment.get("IBHXH_TEST_LIBRARIES")):
            raise FileNotFoundError(
                "The tests need IBHXH_TEST_LIBRARIES, the folder that windows_libraries.py makes, or SoftHSM2 for "
                "Windows and IBHXH_TEST_TOKENS=SoftHSM2."
            )
        return Libraries(os.path.join(built, "softhsm2.dll"), "", model=True)
    if platform != "darwin":
        found = [find("libsofthsm2.so", *_rooted(root, _LINUX)), find("pkcs11-spy.so", *_rooted(root, _LINUX_SPY))]
        return Libraries(*found)
    homes = _rooted(root, tuple(filter(None, (environment.get("HOMEBREW_PREFIX"), *_HOMEBREW))))
    softhsm = find("libsofthsm2.so", *(f"{home}/lib/softhsm" for home in homes))
    try:
        spy = find("pkcs11-spy.so", *(f"{home}/lib{below}" for home in homes for below in ("", "/pkcs11")))
    except FileNotFoundError:
        spy = ""
    return Libraries(softhsm, spy)


def _rooted(root: str, folders: tuple[str, ...]) -> list[str]:
    return [root + folder for folder in folders]


_found = libraries()
LIBRARY, SPY, MODEL = _found.softhsm, _found.spy, _found.model
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
        begin = "slots 0" if MODEL else f"directories.tokendir = {self.folder / 'tokens'}\nlog.level = ERROR"
        self.config.write_text(begin + "\n", encoding="utf-8")

    @property
    def config(self) -> Path:
        return self.folder / "softhsm2.conf"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SOFTHSM2_CONF": str(self.config)}

    def add(self, label: str, entries: list[tuple[object, bytes]], pin: str = PIN, **attributes: bool) -> None:
        """A token with these (private key, certificate DER) pairs."""
        if MODEL:
            self._add_model(label, entries, pin, **attributes)
            self.labels.append(label)
            return
        from cryptography.hazmat.primitives import serialization

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


def _initialise(library: object, label: str, pin: str) -> None:
    """C_InitToken, and the person's PIN (PKCS#11 2.40, 5.5).

    softhsm2-util does the same with its arguments, which lose Vietnamese letters on Windows.
    """
    from pkcs11 import TokenFlag

    (slot,) = [
        slot.slot_id
        for slot in library.get_slots(token_present=True)  # type: ignore[attr-defined]
        if not slot.get_token().flags & TokenFlag.TOKEN_INITIALIZED
    ]
    functions, session = ctypes.CDLL(LIBRARY), ctypes.c_ulong()
    secret, own = SO_PIN.encode(), pin.encode()

    def call(name: str, *arguments: object) -> None:
        converted = [ctypes.c_ulong(one) if isinstance(one, int) else one for one in arguments]
        answer = getattr(functions, name)(*converted)
        if answer:
            raise SystemExit(f"{name}: {answer:#x}")

    call("C_InitToken", slot, secret, len(secret), label.encode().ljust(32))
    call("C_OpenSession", slot, 0x4 | 0x2, None, None, ctypes.byref(session))  # CKF_SERIAL_SESSION, CKF_RW_SESSION
    call("C_Login", session, 0, secret, len(secret))  # CKU_SO
    call("C_InitPIN", session, own, len(own))
    call("C_CloseSession", session)


def _fill() -> None:
    import pkcs11
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import load_der_private_key
    from pkcs11 import Attribute, KeyType, ObjectClass

    plan = json.load(sys.stdin)
    library = pkcs11.lib(LIBRARY)
    _initialise(library, plan["label"], plan["pin"])
    library.reinitialize()
    token = library.get_token(token_label=plan["label"])
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
