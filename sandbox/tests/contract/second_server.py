"""A gateway written from docs/gateway.md and openapi.json alone: the contract must be enough to write one.

    python second_server.py PORT CLIENT SECRET DATA.sqlite

It shares no code with the sandbox and no library for the signature. It plays VSS in the shortest way: a well signed
document is accepted, numbered, and waits for a code.
"""

import base64
import hashlib
import json
import re
import sqlite3
import sys
import threading
import uuid
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

PATHS = re.compile(r"/ivan/v1/(health|openapi\.json|dossiers|dossiers/([^/]+)(/resend-code)?)")
OPENAPI = Path(__file__).parents[2] / "ibhxh_sandbox" / "openapi.json"
PROVIDER = {"code": "00001", "name": "Máy chủ thứ hai"}
DS = "{http://www.w3.org/2000/09/xmldsig#}"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
SIGNATURES = {f"http://www.w3.org/2001/04/xmldsig-more#rsa-sha{n}": getattr(hashes, f"SHA{n}") for n in (256, 384, 512)}
DIGESTS = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
FORM_MARKS = {"05": "SoChungThuCu", "06": "NgayNgung"}
DOCUMENT_BYTES, BODY_BYTES = 5 * 2**20, 7 * 2**20
TIME = "%Y-%m-%dT%H:%M:%SZ"
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Answer(Exception):
    """What ends a request."""

    def __init__(self, status, body, **headers):
        super().__init__(status)
        self.status, self.body = status, body
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def problem(status, code, description, **headers):
    return Answer(status, {"code": code, "description": description}, **headers)


def bad(description):
    return problem(400, "bad_request", description)


def structure(description):
    return problem(422, "CE009", description)


def now():
    return datetime.now(timezone.utc).strftime(TIME)


def plain(code):
    """A tax code without dash and blanks."""
    return re.sub(r"[\s-]", "", code or "")


# -- the document ------------------------------------------------------------------------------------------------------


def read_document(form, content):
    """The leaf elements of NoiDung of a well-signed document; raises 422 CE009."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise structure("Hồ sơ không phải là XML hợp lệ.") from None
    tree = root.getroottree()
    if tree.docinfo.doctype or any(not isinstance(node.tag, str) for node in tree.iter()):
        raise structure("Hồ sơ không được có DTD, chú thích hay chỉ thị xử lý.")
    if root.tag != "Hoso" or [child.tag for child in root] != ["NoiDung", "CKy_Dvi"]:
        raise structure("Hồ sơ phải là Hoso với NoiDung và CKy_Dvi.")
    fields = {child.tag: child.text or "" for child in root[0]}
    marked = next((mark for mark, name in FORM_MARKS.items() if name in fields), "04")
    if marked != form:
        raise structure(f"Nội dung hồ sơ không phải là mẫu {form}.")
    certificate = verify(root)
    subject_ids = certificate.subject.get_attributes_for_oid(x509.NameOID.USER_ID)
    codes = [plain(str(attribute.value).partition(":")[2]) for attribute in subject_ids]
    if plain(fields.get("MaSoThue")) not in codes:
        raise problem(422, "SE003", "Mã số thuế không phải của chứng thư số.")
    if fields.get("MaIVan") != PROVIDER["code"]:
        raise structure("MaIVan không phải là mã của tổ chức I-VAN gửi hồ sơ.")
    return fields


def verify(root):
    """The certificate of the one enveloped signature over all of the document; raises 422 CE009."""
    try:
        return checked(root)
    except (InvalidSignature, KeyError, ValueError, AttributeError, IndexError, TypeError):
        raise structure("Chữ ký số không hợp lệ.") from None


def checked(root):
    (signature,) = root.iter(f"{DS}Signature")
    info = signature.find(f"{DS}SignedInfo")
    (reference,) = info.findall(f"{DS}Reference")
    transforms = [item.get("Algorithm") for item in reference.iter(f"{DS}Transform")]
    is_whole = reference.get("URI") == "" and transforms == [f"{DS[1:-1]}enveloped-signature"]
    if (
        not is_whole
        or info.find(f"{DS}CanonicalizationMethod").get("Algorithm") != C14N
        or list(root[1]) != [signature]
    ):
        raise ValueError
    (text,) = (node.text for node in signature.iter(f"{DS}X509Certificate"))
    certificate = x509.load_der_x509_certificate(base64.b64decode(text))
    key, today = certificate.public_key(), datetime.now(timezone.utc)
    is_valid = certificate.not_valid_before_utc <= today <= certificate.not_valid_after_utc
    if not is_valid or not isinstance(key, rsa.RSAPublicKey) or key.key_size < 2048:
        raise ValueError
    algorithm = SIGNATURES[info.find(f"{DS}SignatureMethod").get("Algorithm")]()
    # Written out and read again: lxml canonicalises an element inside a document without what it inherits.
    signed = etree.tostring(etree.fromstring(etree.tostring(info, with_tail=False)), method="c14n")
    value = base64.b64decode(signature.find(f"{DS}SignatureValue").text)
    key.verify(value, signed, padding.PKCS1v15(), algorithm)
    root[1].text = (root[1].text or "") + (signature.tail or "")
    root[1].remove(signature)
    digest = hashlib.new(DIGESTS[reference.find(f"{DS}DigestMethod").get("Algorithm")])
    digest.update(etree.tostring(root, method="c14n"))
    if digest.digest() != base64.b64decode(reference.find(f"{DS}DigestValue").text):
        raise ValueError
    return certificate


# -- the office --------------------------------------------------------------------------------------------------------


class Office:
    """Keeps dossiers in a file; one thing at a time, so that a question waits for a submission that is under way."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.database.execute(
            "CREATE TABLE IF NOT EXISTS dossier (reference TEXT PRIMARY KEY, form TEXT, sha256 TEXT, agency TEXT,"
            " document BLOB, accepted_at TEXT)"
        )

    def find(self, reference):
        query = "SELECT rowid, form, sha256, agency, accepted_at FROM dossier WHERE reference = ?"
        return self.database.execute(query, [reference]).fetchone()

    def receipt(self, reference, row):
        number = f"{row[0]:05}/{row[4][:4]}/{row[3].zfill(3)}"
        return {"client_reference": reference, "accepted_at": row[4], "dossier_number": number, "state": "accepted"}

    def submit(self, reference, form, agency, tax_code, content):
        digest = hashlib.sha256(content).hexdigest()
        with self.lock:
            row = self.find(reference)
            if row:
                if (row[1], row[2]) != (form, digest):
                    raise problem(409, "conflict", "Mã tham chiếu này đã được dùng cho một hồ sơ khác.")
                raise Answer(200, self.receipt(reference, row))
            fields = read_document(form, content)
            if (agency, plain(tax_code)) != (fields.get("MaCoQuan"), plain(fields.get("MaSoThue"))):
                raise bad("agency_code hoặc tax_code khác với nội dung hồ sơ.")
            values = [reference, form, digest, agency, content, now()]
            # Written through to the disk before the answer, as sqlite does unless told otherwise.
            self.database.execute("INSERT INTO dossier VALUES (?, ?, ?, ?, ?, ?)", values)
            raise Answer(201, self.receipt(reference, self.find(reference)))

    def progress(self, reference):
        with self.lock:
            row = self.find(reference)
        if not row:
            raise problem(404, "not_found", "Không có hồ sơ nào mang mã tham chiếu này.")
        accepted = datetime.strptime(row[4], TIME).replace(tzinfo=timezone.utc)
        waits = row[1] == "04" and datetime.now(timezone.utc) < accepted + timedelta(hours=24)
        steps = [
            {"step": number, "at": row[4], "code": "00", "description": text, "passed": True}
            for number, text in enumerate(("Đã tiếp nhận hồ sơ.", "Hồ sơ hợp lệ."), start=1)
        ]
        return {**self.receipt(reference, row), "form": row[1], "needs_activation": waits, "steps": steps}


# -- HTTP --------------------------------------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    office, credentials = None, b""  # set by `serve`

    def __getattr__(self, name):
        """One way for all methods: what is not allowed is answered in JSON, too."""
        if not name.startswith("do_"):
            raise AttributeError(name)
        return self.serve

    def serve(self):
        length = self.headers.get("Content-Length", "0")
        size = int(length) if length.isdigit() else 0
        # Heard out however long it is: else the answer would be lost with the connection.
        content = b"".join(self.rfile.read(min(2**20, size - start)) for start in range(0, size, 2**20))
        try:
            self.route(content)
        except Answer as answer:
            body = json.dumps(answer.body, ensure_ascii=False).encode()
            self.send_response(answer.status)
            headers = {"Content-Type": "application/json", "Content-Length": len(body), **answer.headers}
            for name, value in headers.items():
                self.send_header(name, str(value))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

    def route(self, content):
        found = PATHS.fullmatch(self.path.partition("?")[0])
        if not found:
            raise problem(404, "unknown_path", "Không có gì tại địa chỉ này.")
        name, reference, resend = found.groups()
        allowed = "POST" if name == "dossiers" or resend else "GET"
        if self.command != allowed:
            raise problem(405, "method_not_allowed", "Phương thức không được hỗ trợ.", Allow=allowed)
        if name == "openapi.json":
            raise Answer(200, json.loads(OPENAPI.read_text(encoding="utf-8")))
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic" or given.strip().encode() != self.credentials:
            raise problem(401, "unauthorized", "Mã hoặc mật khẩu không đúng.", WWW_Authenticate="Basic")
        if name == "health":
            raise Answer(200, {"status": "ok", "time": now(), "provider": PROVIDER})
        if name == "dossiers":
            self.submit(content)
        if not UUID.fullmatch(reference):
            raise bad("client_reference phải là một UUID.")
        progress = self.office.progress(reference.lower())
        if not resend:
            raise Answer(200, progress)
        if not progress["needs_activation"]:
            raise problem(409, "not_waiting", "Hồ sơ này không chờ mã kích hoạt.")
        raise Answer(202, {"sent_at": now()})

    def submit(self, content):
        if self.headers.get_content_type() != "application/json":
            raise problem(415, "unsupported_media_type", "Content-Type phải là application/json.")
        if len(content) > BODY_BYTES:
            raise problem(413, "too_large", "Yêu cầu quá lớn.")
        try:
            body = dict(json.loads(content))
        except (ValueError, TypeError, RecursionError):
            raise bad("Nội dung phải là một đối tượng JSON.") from None
        reference = self.text(body, "client_reference", 36)
        if not UUID.fullmatch(reference) or self.headers.get("Idempotency-Key", "").lower() != reference.lower():
            raise bad("client_reference phải là một UUID, và Idempotency-Key bằng nó.")
        form, agency = self.text(body, "form", 2), self.text(body, "agency_code", 5)
        tax_code, document = self.text(body, "tax_code", 14), self.text(body, "document", BODY_BYTES)
        if form not in ("04", "05", "06"):
            raise bad("form phải là 04, 05 hoặc 06.")
        if body.get("unit_code") is not None:
            self.text(body, "unit_code", 20)
        try:
            decoded = base64.b64decode(document, validate=True)
        except ValueError:
            raise bad("document phải là base64.") from None
        if len(decoded) > DOCUMENT_BYTES:
            raise problem(413, "too_large", "Hồ sơ vượt quá 5 MiB.")
        if body.get("sha256") != hashlib.sha256(decoded).hexdigest():
            raise bad("sha256 không khớp với document.")
        self.office.submit(str(uuid.UUID(reference)), form, agency, tax_code, decoded)

    def text(self, body, name, longest):
        value = body.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= longest:
            raise bad(f"{name} phải là chuỗi từ 1 đến {longest} ký tự.")
        return value

    def log_message(self, *args):
        """Nothing of a request belongs in a log."""


def serve(port, client, secret, path):
    """A server that is ready to `serve_forever`; port 0 takes a free one (`server_address`)."""
    credentials = base64.b64encode(f"{client}:{secret}".encode())
    handler = type("Handler", (Handler,), {"office": Office(path), "credentials": credentials})
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


if __name__ == "__main__":
    serve(int(sys.argv[1]), *sys.argv[2:]).serve_forever()
