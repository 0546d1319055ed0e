"""The stand-in of remote signing: each dialect from the list of certificates to a signature, and its faults."""

import base64
import hashlib
import threading
import uuid

import pytest
import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

from ibhxh_sandbox.remote_signing import FAULTS
from ibhxh_sandbox.web_remote import CLIENT, RSA, SECRET, SHA256, SHA256_WITH_RSA, TOKEN, VIETTEL_PROFILE

from .conftest import TIMEOUT
from .test_page import browser, page  # noqa: F401 - fixtures

USER = "001099012345"
TAX_CODE = "0100109106"
DIGESTS = [hashlib.sha256(text).digest() for text in (b"one", b"two")]
NAMES = ["BHXH-11112222", "BHXH-33334444"]
PATHS = {
    "vnpt": (
        "/remote/vnpt/v1/credentials/get_certificate",
        "/remote/vnpt/v1/signatures/sign",
        "/remote/vnpt/v1/signatures/sign/{}/status",
    ),
    "ca2": ("/remote/ca2/api/data/get_certificate", "/remote/ca2/api/data/sign", "/remote/ca2/api/data/status"),
}
CSC = {"csc1": "/remote/csc/v1", "csc2": "/remote/csc/v2", "viettel": "/remote/viettel/ras/csc/v1"}
NEAC = pytest.mark.parametrize("dialect", PATHS)


def b64(content):
    return base64.b64encode(content).decode()


class Service:
    """A client of the stand-in, as dumb as can be."""

    def __init__(self, running):
        self.running = running
        self.reference = str(uuid.uuid4())

    def post(self, path, body, **options):
        return requests.post(self.running.origin + path, json=body, timeout=TIMEOUT, **options)

    def neac(self, path, body, **changes):
        return self.post(path, {"sp_id": CLIENT, "sp_password": SECRET, "user_id": USER, **body, **changes})

    def certificates(self, dialect, **changes):
        body = {"serial_number": "", "transaction_id": "t"}
        return self.neac(PATHS[dialect][0], body, **changes).json()["data"]["user_certificates"]

    def start(self, dialect, **changes):
        encode = bytes.hex if dialect == "vnpt" else b64
        files = [
            {"data_to_be_signed": encode(digest), "doc_id": name, "file_type": "xml", "sign_type": "hash"}
            for name, digest in zip(NAMES, DIGESTS, strict=True)
        ]
        body = {
            "transaction_id": self.reference,
            "transaction_desc": "BHXH: 2",
            "serial_number": "",
            "sign_files": files,
        }
        return self.neac(PATHS[dialect][1], body, **changes)

    def poll(self, dialect, asked=None):
        asked = asked or self.reference
        if dialect == "vnpt":
            return self.post(PATHS["vnpt"][2].format(asked), {})
        return self.neac(PATHS["ca2"][2], {"transaction_id": asked})

    def decide(self, state="confirmed", reference=None):
        return self.post("/phone/decide", {"reference": reference or self.reference, "state": state})

    def token(self, dialect):
        if dialect != "viettel":
            return TOKEN
        body = {"client_id": CLIENT, "client_secret": SECRET, "profile_id": VIETTEL_PROFILE, "user_id": USER}
        return self.post("/remote/viettel/ras/v1/login", body).json()["access_token"]

    def csc(self, dialect, path, body, token=None):
        headers = {"Authorization": f"Bearer {token or self.token(dialect)}"}
        return self.post(f"{CSC[dialect]}/{path}", body, headers=headers)

    def credential(self, dialect):
        return self.csc(dialect, "credentials/list", {}).json()["credentialIDs"][0]

    def authorize(self, dialect, **changes):
        hash_ = {"hashes": [b64(d) for d in DIGESTS], "hashAlgorithmOID": SHA256} if dialect == "csc2" else {}
        body = {
            "credentialID": self.credential(dialect),
            "numSignatures": 2,
            "description": "BHXH: 2",
            "clientData": self.reference,
            **(hash_ or {"hash": [b64(d) for d in DIGESTS]}),
            **changes,
        }
        return self.csc(dialect, "credentials/authorize", body)

    def sign_hash(self, dialect, sad, **changes):
        names = ("hashes", "hashAlgorithmOID") if dialect == "csc2" else ("hash", "hashAlgo")
        body = {
            "credentialID": self.credential(dialect),
            "SAD": sad,
            "signAlgo": RSA,
            names[0]: [b64(d) for d in DIGESTS],
            names[1]: SHA256,
            **changes,
        }
        return self.csc(dialect, "signatures/signHash", body)

    def is_good(self, digest, encoded):
        """Whether a value is the bare block over this digest by the person's certificate, as it is listed now."""
        der = base64.b64decode(self.certificates("vnpt")[0]["cert_data"])
        key = x509.load_der_x509_certificate(der).public_key()
        try:
            key.verify(base64.b64decode(encoded), digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


@pytest.fixture
def service(sandbox):
    sandbox.control("remote/people", {"user": USER, "tax_code": TAX_CODE, "name": "CÔNG TY THỬ"})
    return Service(sandbox)


def test_certificates_are_issued_by_the_authority(service):
    row = service.certificates("vnpt")[0]
    certificate = x509.load_der_x509_certificate(base64.b64decode(row["cert_data"]))
    url = service.running.origin + "/_sandbox/remote/authority"
    authority = x509.load_der_x509_certificate(requests.get(url, timeout=TIMEOUT).content)
    certificate.verify_directly_issued_by(authority)
    assert row["serial_number"] == f"{certificate.serial_number:x}"
    assert f"MST:{TAX_CODE}" in certificate.subject.rfc4514_string()
    assert row["cert_status"] == "Đang hoạt động"


@NEAC
def test_confirmed_on_the_phone(service, dialect):
    started = service.start(dialect).json()
    assert started["message"] == "sig_wait_for_user_confirm"
    assert started["data"]["transaction_id"] == service.reference
    assert not any(row.get("signature_value") for row in service.poll(dialect).json()["data"]["signatures"] or [])
    assert service.decide().status_code == 200
    found = service.poll(dialect).json()
    assert found["message"] == "SUCCESS"
    for row, name, digest in zip(found["data"]["signatures"], NAMES, DIGESTS, strict=True):
        assert row["doc_id"] == name
        assert service.is_good(digest, row["signature_value"])


@NEAC
def test_refused_and_run_out(service, dialect):
    service.start(dialect)
    service.decide("refused")
    found = service.poll(dialect)
    assert (found.status_code, found.json()["status_code"], found.json()["message"]) == (200, 400, "REJECTED")
    assert service.decide().status_code == 404

    service.reference = str(uuid.uuid4())
    service.start(dialect)
    service.running.control("clock", {"advance_seconds": 300})
    assert service.poll(dialect).json()["message"] == "EXPIRED"
    assert service.decide().status_code == 404


def test_digests_only_in_the_encoding_of_the_provider(service):
    for dialect, wrong in (
        ("vnpt", b64(DIGESTS[0])),
        ("vnpt", DIGESTS[0].hex().upper()),
        ("vnpt", DIGESTS[0].hex()[:-2]),
        ("ca2", DIGESTS[0].hex()),
        ("ca2", b64(DIGESTS[0][:-1])),
        ("ca2", 7),
    ):
        files = [{"data_to_be_signed": wrong, "doc_id": "a", "file_type": "xml", "sign_type": "hash"}]
        assert service.start(dialect, sign_files=files).json()["status_code"] == 400
    assert service.start("vnpt", sign_files=[]).json()["status_code"] == 400
    assert service.running.control("remote/requests")["starts"] == 0


def test_several_certificates_of_a_person(service):
    service.running.control("remote/people", {"user": USER, "tax_code": TAX_CODE, "name": "CÔNG TY THỬ"})
    first, second = service.certificates("vnpt")
    assert service.start("vnpt").json()["status_code"] == 400
    assert service.start("vnpt", serial_number=second["serial_number"].upper()).json()["status_code"] == 200
    assert service.certificates("vnpt", serial_number=first["serial_number"]) == [first]
    assert service.certificates("vnpt", user_id="unknown") == []


def test_a_repeated_start_is_no_second_request(service):
    service.start("vnpt")
    service.start("vnpt")
    assert service.running.control("remote/requests")["starts"] == 1


def test_polled_by_the_services_own_id(service):
    service.running.control("settings", {"remote_polled_by": "tran_code"})
    own = service.start("vnpt").json()["data"]["tran_code"]
    assert service.poll("vnpt").json()["message"] == "TRANSACTION_NOT_FOUND"
    assert service.poll("vnpt", own).json()["message"] == "PENDING"


def test_ways_to_say_that_nobody_decided(service):
    service.start("vnpt")
    service.running.control("settings", {"remote_waiting": "left"})
    assert service.poll("vnpt").json()["data"]["expired_in"] == 300
    service.running.control("settings", {"remote_waiting": "code"})
    assert service.poll("ca2").json()["status_code"] == 1001


@pytest.mark.parametrize("dialect", ["csc1", "viettel"])
def test_version_1_blocks_until_the_person_decided(service, dialect):
    answers = []
    asking = threading.Thread(target=lambda: answers.append(service.authorize(dialect)))
    asking.start()
    while not service.running.control("remote/requests")["waiting"]:
        assert asking.is_alive()
    assert answers == []
    service.decide()
    asking.join(TIMEOUT)
    values = service.sign_hash(dialect, answers[0].json()["SAD"]).json()["signatures"]
    assert all(service.is_good(digest, value) for digest, value in zip(DIGESTS, values, strict=True))
    assert values[0].endswith("\r\n") == (dialect == "viettel")


def test_version_2_answers_with_a_handle(service):
    started = service.authorize("csc2")
    handle = {"handle": started.json()["handle"]}
    assert (started.status_code, started.json()["expiresIn"]) == (202, 300)
    assert service.csc("csc2", "credentials/authorizeCheck", handle).status_code == 202
    service.running.control("settings", {"remote_waiting": "code"})
    assert "asynchronous request" in service.csc("csc2", "credentials/authorizeCheck", handle).text
    service.decide()
    sad = service.csc("csc2", "credentials/authorizeCheck", handle).json()["SAD"]
    values = service.sign_hash("csc2", sad).json()["signatures"]
    assert all(service.is_good(digest, value) for digest, value in zip(DIGESTS, values, strict=True))


def test_activation_data_is_for_these_digests_once(service):
    service.running.control("settings", {"remote_person": "confirm"})
    sad = service.authorize("csc1").json()["SAD"]
    other = b64(hashlib.sha256(b"three").digest())
    assert "not authorized" in service.sign_hash("csc1", sad, hash=[other, other]).text
    assert "SAD is invalid" in service.sign_hash("csc1", "x").text
    assert "signAlgo" in service.sign_hash("csc1", sad, signAlgo="1.2.3").text
    assert service.sign_hash("csc1", sad).status_code == 200
    assert service.sign_hash("csc1", sad).status_code == 400
    assert [row["signed"] for row in service.running.control("remote/requests")["started"]] == [1]


def test_refusals_in_the_words_of_the_dialect(service):
    service.running.control("settings", {"remote_person": "refuse"})
    assert service.authorize("csc1").json()["error"] == "access_denied"
    service.reference = str(uuid.uuid4())
    assert service.authorize("viettel").json()["error"] == "4002"


def test_logins(service):
    base = service.running.origin + CSC["csc1"]
    basic = requests.post(f"{base}/auth/login", json={}, auth=(CLIENT, SECRET), timeout=TIMEOUT)
    assert basic.json()["access_token"] == TOKEN
    assert requests.post(f"{base}/auth/login", json={}, auth=(CLIENT, "x"), timeout=TIMEOUT).status_code == 401
    form = {"grant_type": "client_credentials", "client_id": CLIENT, "client_secret": SECRET}
    assert requests.post(f"{base}/oauth2/token", data=form, timeout=TIMEOUT).json()["access_token"] == TOKEN
    assert requests.post(f"{base}/oauth2/token", json=form, timeout=TIMEOUT).status_code == 400
    assert service.csc("csc1", "credentials/list", {}, token="x").status_code == 401
    body = {"client_id": CLIENT, "client_secret": "x", "profile_id": VIETTEL_PROFILE, "user_id": USER}
    assert service.post("/remote/viettel/ras/v1/login", body).json()["error"] == "59033"


def test_viettels_token_is_one_persons(service):
    service.running.control("remote/people", {"user": "other", "tax_code": TAX_CODE, "name": "KHÁC"})
    foreign = service.csc("csc1", "credentials/list", {"userID": "other"}).json()["credentialIDs"][0]
    assert service.csc("viettel", "credentials/list", {}).json()["credentialIDs"] == [service.credential("csc1")]
    assert service.csc("viettel", "credentials/info", {"credentialID": foreign}).status_code == 400
    info = service.csc("viettel", "credentials/info", {"credentialID": service.credential("viettel")}).json()
    assert info["multisign"] == "10"
    assert info["key"]["len"] == "2048"
    assert info["cert"]["serialNumber"].isdigit()


def test_what_a_key_says_of_itself(service):
    credential = {"credentialID": service.credential("csc1")}
    for name, algorithms in (("rsa", [RSA]), ("sha256_with_rsa", [SHA256_WITH_RSA])):
        service.running.control("settings", {"remote_algorithms": name, "remote_confirmation": "pin"})
        info = service.csc("csc1", "credentials/info", credential).json()
        assert info["key"]["algo"] == algorithms
        assert (info["authMode"], info["PIN"]["presence"]) == ("explicit", "true")
    assert service.csc("csc2", "credentials/info", credential).json()["auth"] == {"mode": "explicit"}


def test_faults_of_a_start(service):
    for kind, code in (("credentials_refused", 401), ("quota", 400), ("suspended", 403)):
        service.running.control("faults", {"endpoint": "remote", "kind": kind})
        assert service.start("vnpt").json()["status_code"] == code
    service.running.control("faults", {"endpoint": "remote", "kind": "repeats_secret"})
    assert SECRET in service.start("vnpt").text
    assert service.running.control("remote/requests")["starts"] == 0
    assert service.start("vnpt").status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["wrong_key", "hashed_twice", "pkcs7", "short_value", "no_base64", "swapped_values", "other_transaction"],
)
def test_faults_of_values(service, kind):
    service.start("vnpt")
    service.decide()
    service.running.control("faults", {"endpoint": "remote", "kind": kind})
    rows = service.poll("vnpt").json()["data"]["signatures"]
    assert not service.is_good(DIGESTS[0], rows[0]["signature_value"])
    assert service.is_good(DIGESTS[0], service.poll("vnpt").json()["data"]["signatures"][0]["signature_value"])


def test_faults_of_names(service):
    service.start("vnpt")
    service.decide()
    seen = {}
    for kind in ("wrong_doc_id", "missing_doc_id", "repeated_doc_id"):
        service.running.control("faults", {"endpoint": "remote", "kind": kind})
        seen[kind] = [row["doc_id"] for row in service.poll("vnpt").json()["data"]["signatures"]]
    assert seen == {
        "wrong_doc_id": [f"{name}-x" for name in NAMES],
        "missing_doc_id": NAMES[1:],
        "repeated_doc_id": [*NAMES, NAMES[0]],
    }


def test_an_exchanged_certificate(service):
    service.start("vnpt")
    before = service.certificates("vnpt")
    service.decide()
    service.running.control("faults", {"endpoint": "remote", "kind": "exchanged_certificate"})
    value = service.poll("vnpt").json()["data"]["signatures"][0]["signature_value"]
    assert service.certificates("vnpt") != before
    assert service.is_good(DIGESTS[0], value)


def test_a_transaction_that_is_forgotten(service):
    service.start("vnpt")
    service.running.control("faults", {"endpoint": "remote", "kind": "forgotten", "skip": 1})
    assert service.poll("vnpt").json()["message"] == "PENDING"
    assert service.poll("vnpt").json()["status_code"] == 404
    assert service.poll("vnpt").json()["message"] == "PENDING"


def test_faults_of_the_line_strike_each_dialect(service):
    """The request was accepted, and the answer is lost: the phone shows it all the same."""
    for dialect in PATHS:
        service.reference = str(uuid.uuid4())
        service.running.control("faults", {"endpoint": "remote_start", "kind": "close", "when": "after"})
        with pytest.raises(requests.ConnectionError):
            service.start(dialect)
        assert service.reference in {row["reference"] for row in service.running.control("remote/requests")["waiting"]}
    service.running.control("faults", {"endpoint": "remote_poll", "kind": "status", "status": 500})
    assert service.poll("vnpt").status_code == 500
    service.running.control("faults", {"endpoint": "remote_list", "kind": "redirect"})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    url = f"{service.running.origin}{CSC['csc1']}/credentials/list"
    assert requests.post(url, json={}, headers=headers, allow_redirects=False, timeout=TIMEOUT).status_code == 302


def test_faults_are_shown_and_cleared(service):
    service.running.control("faults", {"endpoint": "remote", "kind": "quota", "count": 2})
    assert {"endpoint": "remote", "kind": "quota", "count": 2, "skip": 0} in service.running.control("faults")
    requests.delete(f"{service.running.origin}/_sandbox/faults", timeout=TIMEOUT)
    assert service.running.control("faults") == []
    url = f"{service.running.origin}/_sandbox/faults"
    for wrong in ({"kind": "x"}, {"kind": "quota", "count": 0}, {"kind": "quota", "skip": "1"}, {}):
        assert requests.post(url, json={"endpoint": "remote", **wrong}, timeout=TIMEOUT).status_code == 400
    assert "quota" in FAULTS


def test_reset_forgets_people(service):
    service.start("vnpt")
    service.running.control("reset", {})
    assert service.certificates("vnpt") == []
    assert service.running.control("remote/requests") == {"waiting": [], "starts": 0, "started": []}


def test_a_person_confirms_and_another_request_is_refused(page, service):  # noqa: F811 - the fixture
    from playwright.sync_api import expect

    service.start("vnpt")
    first = service.reference
    page.goto(f"{service.running.origin}/phone/#{USER}")
    expect(page.get_by_text("CÔNG TY THỬ")).to_be_visible()
    expect(page.get_by_role("heading", name="BHXH: 2")).to_be_visible()
    for name in NAMES:
        expect(page.get_by_text(name)).to_be_visible()
    page.get_by_role("button", name="Xác nhận ký").click()
    expect(page.get_by_text("Đã xác nhận.")).to_be_visible()
    assert service.poll("vnpt").json()["message"] == "SUCCESS"

    service.reference = str(uuid.uuid4())
    service.start("ca2")
    page.get_by_role("button", name="Từ chối").click()
    expect(page.get_by_text("Không có yêu cầu nào đang chờ.")).to_be_visible()
    assert service.poll("ca2").json()["message"] == "REJECTED"
    assert service.poll("vnpt", first).json()["message"] == "SUCCESS"


def test_somebody_whom_the_service_does_not_know(page, service):  # noqa: F811 - the fixture
    from playwright.sync_api import expect

    page.goto(f"{service.running.origin}/phone/")
    page.get_by_label("Số định danh").fill("999")
    page.get_by_role("button", name="Mở").click()
    expect(page.get_by_text("Không có ai dưới số 999.")).to_be_visible()
