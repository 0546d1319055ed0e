"""Sign a Windows program as a release is signed: ``python packaging/sign.py FILE…``; without a key nothing is done.

The key may be a PEM file, or stay where it is: in a token, an HSM or a cloud service with a PKCS#11 library. What
names it comes from the environment:

IBHXH_SIGN_CERTIFICATE  PEM file with the certificate, then its issuers
IBHXH_SIGN_KEY          PEM file, or a PKCS#11 URI such as ``pkcs11:token=…;object=…``
IBHXH_SIGN_MODULE       the PKCS#11 library, with a URI
IBHXH_SIGN_ENGINE       OpenSSL's PKCS#11 engine (libp11), where it is not in its usual place
IBHXH_SIGN_PASSWORD     file that holds the PIN or password; never the environment or the command line itself
IBHXH_SIGN_TIMESTAMP    address of an RFC 3161 time-stamp service; without one a signature ends with its certificate
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """There is a key."""
    return bool(environment.get("IBHXH_SIGN_KEY"))


def command(source: Path, target: Path, environment: Mapping[str, str]) -> list[str]:
    """The call of osslsigncode, for SHA-256.

    :raises SystemExit: something that belongs to the key is missing
    """
    names = ("CERTIFICATE", "KEY", "MODULE", "ENGINE", "PASSWORD", "TIMESTAMP")
    given = {name: environment.get(f"IBHXH_SIGN_{name}", "") for name in names}
    if not given["CERTIFICATE"]:
        raise SystemExit("IBHXH_SIGN_CERTIFICATE has to name the certificate of the key.")
    line = ["osslsigncode", "sign", "-h", "sha256", "-n", "ibhxh-agent", "-certs", given["CERTIFICATE"]]
    if given["KEY"].startswith("pkcs11:"):
        if not given["MODULE"]:
            raise SystemExit("IBHXH_SIGN_MODULE has to name the PKCS#11 library of the key.")
        line += ["-pkcs11module", given["MODULE"]]
        if given["ENGINE"]:
            line += ["-pkcs11engine", given["ENGINE"]]
        line += ["-login"]
    line += ["-key", given["KEY"]]
    if given["PASSWORD"]:
        line += ["-readpass", given["PASSWORD"]]
    if given["TIMESTAMP"]:
        line += ["-ts", given["TIMESTAMP"]]
    return [*line, "-in", str(source), "-out", str(target)]


def sign(path: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Replace the program by a signed one.

    :raises SystemExit: it cannot be signed
    """
    signed = path.with_name(f"{path.name}.signed")
    signed.unlink(missing_ok=True)
    done = subprocess.run(command(path, signed, environment), capture_output=True, text=True, check=False)
    if done.returncode or not signed.exists():
        raise SystemExit(f"{path.name} was not signed:\n{done.stdout}{done.stderr}")
    signed.chmod(path.stat().st_mode)
    os.replace(signed, path)


def main(arguments: Sequence[str]) -> int:
    """Sign each file; 0 also where there is no key."""
    if not is_wanted():
        print("No IBHXH_SIGN_KEY: not signed.")
        return 0
    for name in arguments:
        sign(Path(name))
        print(f"signed {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
