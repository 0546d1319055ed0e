"""A small certification authority: root, intermediate, unit, with OCSP answers and CRLs made on demand."""

from __future__ import annotations

from datetime import datetime, timedelta

from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from ...tools.fetching import FetchError
from .signing import NOW, TAX_CODE, key

OCSP_URL = "http://ocsp.test/"
CRL_URL = "http://crl.test/ca.crl"
ROOT_CRL_URL = "http://crl.test/root.crl"


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _usage(*flags: str) -> x509.KeyUsage:
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: name in flags for name in names.split()})


def issue(
    subject: str,
    issuer: str,
    *,
    is_ca: bool = False,
    serial: int = 5,
    not_before: datetime = NOW - timedelta(days=100),
    not_after: datetime = NOW + timedelta(days=100),
    urls: bool = True,
    issuer_key: str | None = None,
    hash_algorithm: hashes.HashAlgorithm | None = None,
    path_length: int | None = None,
    purposes: tuple[x509.ObjectIdentifier, ...] = (),
    extensions: tuple[x509.ExtensionType, ...] = (),
    tax_code: str = TAX_CODE,
) -> x509.Certificate:
    """A certificate of the key ``subject`` by the key ``issuer``."""
    name = _name(subject)
    if not is_ca:
        name = x509.Name([*name, x509.NameAttribute(NameOID.USER_ID, f"MST:{tax_code}")])
    public_key = key(subject).public_key()
    builder = (
        x509.CertificateBuilder(_name(issuer), name, public_key, serial, not_before, not_after)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=path_length), critical=True)
        .add_extension(
            _usage("key_cert_sign", "crl_sign", "digital_signature") if is_ca else _usage("digital_signature"),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), critical=False)
    )
    if urls and subject != issuer:
        crl_url = ROOT_CRL_URL if is_ca else CRL_URL
        builder = builder.add_extension(
            x509.CRLDistributionPoints(
                [x509.DistributionPoint([x509.UniformResourceIdentifier(crl_url)], None, None, None)]
            ),
            critical=False,
        )
    if urls and not is_ca:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(OCSP_URL))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key(issuer_key or issuer), hash_algorithm or hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    """DER bytes."""
    return certificate.public_bytes(Encoding.DER)


def long_crl(entries: int) -> bytes:
    """A list of the intermediate's with so many entries, signed; made from one entry, as building each takes long."""
    issued = asn1_crl.CertificateList.load(Responder(issue("unit", "intermediate"), None).answer(CRL_URL))
    entry = asn1_crl.RevokedCertificate(
        {"user_certificate": 2**126, "revocation_date": asn1_x509.Time({"utc_time": NOW})}
    ).dump()
    listed = entry * entries
    content = issued["tbs_cert_list"].copy()
    content["revoked_certificates"] = asn1_crl.RevokedCertificates.load(
        b"\x30\x84" + len(listed).to_bytes(4, "big") + listed
    )
    signed = content.dump(force=True)
    value = key("intermediate").sign(signed, padding.PKCS1v15(), hashes.SHA256())
    algorithm = issued["signature_algorithm"]
    return asn1_crl.CertificateList(
        {"tbs_cert_list": content, "signature_algorithm": algorithm, "signature": value}
    ).dump()


class Responder:
    """A Fetch that answers for these certificates; what is switched off raises FetchError. ``asked`` lists the URLs."""

    def __init__(
        self,
        unit: x509.Certificate,
        intermediate: x509.Certificate | None,
        *,
        use_ocsp: bool = True,
        use_crl: bool = True,
        revoked: tuple[x509.Certificate, ...] = (),
        at: datetime = NOW,
        signer: str = "intermediate",
        unauthorized: bool = False,
        ocsp_at: datetime | None = None,
        ocsp_stranger: bool = False,
        ocsp_forged: bool = False,
        ocsp_status: ocsp.OCSPCertStatus | None = None,
    ) -> None:
        self.unit, self.intermediate = unit, intermediate
        self.use_ocsp, self.use_crl = use_ocsp, use_crl
        self.revoked = revoked
        self.at = at
        self.signer = signer
        self.unauthorized = unauthorized
        self.ocsp_at = ocsp_at or at
        self.ocsp_stranger = ocsp_stranger
        self.ocsp_forged = ocsp_forged
        self.ocsp_status = ocsp_status
        self.asked: list[str] = []

    def __call__(self, url: str, body: bytes | None, content_type: str) -> bytes:
        self.asked.append(url)
        if url == OCSP_URL:
            ocsp.load_der_ocsp_request(body or b"")
        return self.answer(url)

    def answer(self, url: str) -> bytes:
        """The answer from this address."""
        if url == OCSP_URL and self.use_ocsp:
            return self._ocsp()
        if url == CRL_URL and self.use_crl:
            return self._crl("intermediate", self.signer)
        if url == ROOT_CRL_URL and self.use_crl:
            return self._crl("root", "root")
        raise FetchError("time-out")

    def _ocsp(self) -> bytes:
        if self.unauthorized:
            status = ocsp.OCSPResponseStatus.UNAUTHORIZED
            return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
        status = ocsp.OCSPCertStatus.REVOKED if self.unit in self.revoked else ocsp.OCSPCertStatus.GOOD
        status = self.ocsp_status or status
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=self.unit,
            issuer=self.intermediate,
            algorithm=hashes.SHA1(),
            cert_status=status,
            this_update=self.ocsp_at - timedelta(minutes=5),
            next_update=self.ocsp_at + timedelta(hours=1),
            revocation_time=self.at - timedelta(days=1) if status is ocsp.OCSPCertStatus.REVOKED else None,
            revocation_reason=None,
        )
        if self.ocsp_stranger:
            responder = issue("thief", "thief", purposes=(x509.ExtendedKeyUsageOID.OCSP_SIGNING,))
            builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder).certificates([responder])
            return builder.sign(key("thief"), hashes.SHA256()).public_bytes(Encoding.DER)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.intermediate)
        answer = builder.sign(key("intermediate"), hashes.SHA256()).public_bytes(Encoding.DER)
        # The signature comes last.
        return answer[:-1] + bytes([answer[-1] ^ 1]) if self.ocsp_forged else answer

    def _crl(self, issuer: str, signer: str) -> bytes:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(_name(issuer))
            .last_update(self.at - timedelta(hours=1))
            .next_update(self.at + timedelta(days=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), critical=False)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        for certificate in self.revoked:
            if certificate.issuer == _name(issuer):
                entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number)
                builder = builder.add_revoked_certificate(entry.revocation_date(self.at - timedelta(days=1)).build())
        return builder.sign(key(signer), hashes.SHA256()).public_bytes(Encoding.DER)


def _meet_the_real_clock() -> None:
    """Sign one OCSP answer: cryptography keeps the first ``datetime.now`` it needs, which must not be a frozen one."""
    intermediate = issue("intermediate", "root", is_ca=True)
    Responder(issue("unit", "intermediate"), intermediate)(OCSP_URL, _ANY_REQUEST, "")


_ANY_REQUEST = (
    ocsp.OCSPRequestBuilder()
    .add_certificate_by_hash(b"\0" * 20, b"\0" * 20, 1, hashes.SHA1())
    .build()
    .public_bytes(Encoding.DER)
)
_meet_the_real_clock()
