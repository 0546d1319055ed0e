"""Child process of softhsm.py: one job on one token. JSON in on standard input, JSON out."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.x509 import decode_x509_certificate


def _make_key(session: Any, job: dict[str, Any]) -> dict[str, str]:
    key_id = secrets.token_bytes(8)
    public, _private = session.generate_keypair(
        KeyType.RSA,
        job["bits"],
        id=key_id,
        label="key",
        store=True,
        mechanism=Mechanism.RSA_PKCS_KEY_PAIR_GEN,
        private_template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False, Attribute.PRIVATE: True},
    )
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    numbers = RSAPublicNumbers(
        int.from_bytes(public[Attribute.PUBLIC_EXPONENT], "big"), int.from_bytes(public[Attribute.MODULUS], "big")
    )
    der = numbers.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {"id": key_id.hex(), "public_key": base64.b64encode(der).decode()}


def _store(session: Any, job: dict[str, Any]) -> dict[str, str]:
    der = base64.b64decode(job["der"])
    key_id = bytes.fromhex(job["id"])
    attributes = decode_x509_certificate(der)
    attributes |= {Attribute.TOKEN: True, Attribute.ID: key_id, Attribute.LABEL: job["label"], Attribute.PRIVATE: False}
    session.create_object(attributes)
    return {}


def _clear(session: Any, _job: dict[str, Any]) -> dict[str, str]:
    for kind in (ObjectClass.CERTIFICATE, ObjectClass.PUBLIC_KEY, ObjectClass.PRIVATE_KEY):
        for thing in list(session.get_objects({Attribute.CLASS: kind})):
            thing.destroy()
    return {}


def main() -> None:
    """Do the job that standard input names."""
    job = json.load(sys.stdin)
    token = pkcs11.lib(job["library"]).get_token(token_label=job["token"])
    with token.open(rw=True, user_pin=job["pin"]) as session:
        answer = {"key": _make_key, "store": _store, "clear": _clear}[job["do"]](session, job)
    json.dump(answer, sys.stdout)


main()
