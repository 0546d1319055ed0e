"""A second gateway: the contract of an I-VAN organisation, implemented once more.

It was written from docs/gateway.md and openapi.json alone and shares no code with the sandbox. It plays VSS in the
shortest way: a well signed form 04 is accepted, numbered and waits for its code, forms 05 and 06 are confirmed at once.
It serves one client and mails nothing. Put TLS in front of it for any other use than on one computer.

    python second_server.py PORT CLIENT SECRET DATA.sqlite
"""

import base64
import contextlib
import hashlib
import hmac
import json
import re
import sqlite3
import sys
import threading
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from lxml import etree

OPENAPI = Path(__file__).parents[2] / "ibhxh_sandbox" / "openapi.json"
BASE = "/ivan/v1/"
MAX_BODY, MAX_DOCUMENT = 7 * 2**20, 5 * 2**20

UUID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
TEXT = r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]"
MEMBERS = {
    "client_reference": UUID,
    "form": "0[456]",
    "agency_code": TEXT + "{1,5}",
    "tax_code": TEXT + "{1,14}",
    "unit_code": TEXT + "{1,20}",
    "document": "[A-Za-z0-9+/]*={0,2}",
    "sha256": "[0-9a-f]{64}",
}

COMMON = """TenCoQuan MaCoQuan LoaiDoiTuong TenDoiTuong MaSoThue DienThoai Email NguoiLienHe DiaChi DiaChiLienHe
    DienThoaiLienHe NgayLap NgayDangKy MaIVan TenIVan PTNhanKetQua"""
ADDED = {
    "04": "",
    "05": "SoChungThuCu SoChungThuMoi NhaCungCapMoi HieuLucTu HieuLucDen NoiDungThayDoi",
    "06": "NgayNgung MaLyDo LyDo",
}
FILE = "MaToKhai MoTaToKhai TenFile LoaiFile DoDaiFile NoiDungFile"

DS = "{http://www.w3.org/2000/09/xmldsig#}"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
MORE, ENC = "http://www.w3.org/2001/04/xmldsig-more#", "http://www.w3.org/2001/04/xmlenc#"
SIGNATURES = {f"{MORE}rsa-sha{size}": getattr(hashes, f"SHA{size}")() for size in (256, 384, 512)}
DIGESTS = {ENC + "sha256": hashlib.sha256, MORE + "sha384": hashlib.sha384, ENC + "sha512": hashlib.sha512}

TABLE = """CREATE TABLE IF NOT EXISTS dossier (
    id INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT, reference TEXT, form TEXT, agency TEXT, unit TEXT, sha256 TEXT,
    document BLOB, accepted_at TEXT, UNIQUE (client, reference))"""
INSERT = """INSERT INTO dossier (client, reference, form, agency, unit, sha256, document, accepted_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)"""
FIND = """SELECT reference AS client_reference, accepted_at, form, sha256,
        printf('%05d/%s/%s', id, strftime('%Y', accepted_at, '+7 hours'), agency) AS dossier_number,
        iif(form = '04', 'accepted', 'confirmed') AS state,
        CASE WHEN form <> '04' OR EXISTS (SELECT 1 FROM dossier new WHERE new.client = old.client
            AND new.unit = old.unit AND new.form = '04' AND new.id > old.id) THEN 'not_waiting'
            WHEN datetime(accepted_at, '+24 hours') <= datetime('now') THEN 'code_expired' END AS ended
    FROM dossier old WHERE client = ? AND reference = ?"""


class Problem(Exception):
    """An answer that is an error."""

    def __init__(self, status, code, description, headers=None):
        super().__init__(code)
        self.answer = status, {"code": code, "description": description}, headers or {}


def need(condition):
    """Insist on something; the caller makes an answer of the error."""
    if not condition:
        raise ValueError


def children(element, names, namespace=""):
    """Return the children, which must have these names in this order, with nothing but blanks between them."""
    need([child.tag for child in element] == [namespace + name for name in names.split()])
    need(not "".join(text or "" for text in [element.text, *(child.tail for child in element)]).strip())
    return list(element)


def decoded(element):
    """Return the bytes of an element in base64, which may be broken into lines."""
    return base64.b64decode("".join(element.text.split()), validate=True)


def plain(code):
    """Return a tax code as it is compared: without dash and blanks."""
    return re.sub(r"[-\s]", "", code)


def now():
    """Return this moment as the contract writes it."""
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_content(root, form):
    """Check the structure of a document of this form; return its fields and the element of the signature."""
    need(root.tag == "Hoso")
    content, place = children(root, "NoiDung CKy_Dvi")
    *leaves, files = children(content, f"{COMMON} {ADDED[form]} ToKhais")
    for file in children(files, "FileToKhai " * len(files)):
        leaves += children(file, FILE)
    need(not any(len(leaf) for leaf in leaves))
    fields = {leaf.tag: (leaf.text or "").strip() for leaf in leaves}
    need(re.fullmatch("[0-9]{3,5}", fields["MaCoQuan"]))
    return fields, children(place, "Signature", DS)[0]


def check_signature(root, signature):
    """Check shape and value of the signature; return the certificate. The signature is taken out of the document."""
    need(len(list(root.iter(DS + "Signature"))) == 1)
    # What the signer claims in Object, the time above all, is not covered by the signature.
    claims = " Object" if len(signature) > 3 else ""
    info, value, key_info = children(signature, f"SignedInfo SignatureValue KeyInfo{claims}", DS)[:3]
    canonical, method, reference = children(info, "CanonicalizationMethod SignatureMethod Reference", DS)
    transforms, digest, digest_value = children(reference, "Transforms DigestMethod DigestValue", DS)
    [transform] = children(transforms, "Transform", DS)
    need(not any(len(element) for element in (canonical, method, transform, digest, digest_value, value)))
    need(canonical.get("Algorithm") == C14N and transform.get("Algorithm") == ENVELOPED and reference.get("URI") == "")
    need(method.get("Algorithm") in SIGNATURES and digest.get("Algorithm") in DIGESTS)

    [found] = key_info.iter(DS + "X509Certificate")
    need(found.getparent().tag == DS + "X509Data" and found.getparent().getparent() is key_info)
    certificate = x509.load_der_x509_certificate(decoded(found))
    key = certificate.public_key()
    need(isinstance(key, RSAPublicKey) and key.key_size >= 2048)
    need(certificate.not_valid_before_utc <= datetime.now(timezone.utc) <= certificate.not_valid_after_utc)
    # written out and read again: inside its document lxml leaves out the namespaces that the element inherits
    signed = etree.tostring(etree.fromstring(etree.tostring(info, with_tail=False)), method="c14n")
    key.verify(decoded(value), signed, PKCS1v15(), SIGNATURES[method.get("Algorithm")])

    place = signature.getparent()
    place.text = (place.text or "") + (signature.tail or "")
    place.remove(signature)
    computed = DIGESTS[digest.get("Algorithm")](etree.tostring(root, method="c14n")).digest()
    need(hmac.compare_digest(computed, decoded(digest_value)))
    return certificate


def examine(document, form, client):
    """Check structure and signature of a document; return its fields and the tax codes of its certificate."""
    try:
        need(document.startswith(b"<?xml") and b"<!DOCTYPE" not in document)
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
        root = etree.fromstring(document, parser)
        need((root.getroottree().docinfo.encoding or "UTF-8").upper() == "UTF-8")
        need(not root.xpath("//comment() | //processing-instruction()"))
        fields, signature = read_content(root, form)
        need(fields["MaIVan"] == client)
        certificate = check_signature(root, signature)
        names = [str(name.value) for name in certificate.subject.get_attributes_for_oid(x509.NameOID.USER_ID)]
    except (ValueError, TypeError, AttributeError, etree.LxmlError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise Problem(422, "CE009", "Cấu trúc hoặc chữ ký số của hồ sơ không đúng.") from error
    return fields, {plain(name[name.index(":") + 1 :]) for name in names if re.match(r"\s*(MST|MNS|CCCD):", name)}


def read_members(body, key):
    """Read the members of a submission; return them and the document."""
    try:
        data = json.loads(body.decode(), parse_constant=lambda constant: need(False))
        need(isinstance(data, dict))
    except (ValueError, RecursionError) as error:
        raise Problem(400, "bad_request", "Nội dung yêu cầu không phải là một đối tượng JSON.") from error
    for name, pattern in MEMBERS.items():
        value = data.get(name)
        if not ((name == "unit_code" and value is None) or (isinstance(value, str) and re.fullmatch(pattern, value))):
            raise Problem(400, "bad_request", f"Trường {name} bị thiếu hoặc không đúng quy định.")
    if key != data["client_reference"].lower():
        raise Problem(400, "bad_request", "Tiêu đề Idempotency-Key không trùng với client_reference.")
    document = b"" if len(data["document"]) % 4 else base64.b64decode(data["document"])
    if len(data["document"]) % 4 or hashlib.sha256(document).hexdigest() != data["sha256"]:
        raise Problem(400, "bad_request", "Trường document không phải là base64 hoặc không khớp với sha256.")
    if len(document) > MAX_DOCUMENT:
        raise Problem(413, "too_large", "Hồ sơ vượt quá 5 MiB.")
    return data, document


def receipt(row):
    """Return what POST answers."""
    return {name: row[name] for name in ("client_reference", "accepted_at", "dossier_number", "state")}


class Server(ThreadingHTTPServer):
    """The server and its dossiers, which are in a file of SQLite."""

    request_queue_size = 64

    def __init__(self, port, client, secret, data):
        super().__init__(("127.0.0.1", port), Handler)
        self.client, self.credentials = client, base64.b64encode(f"{client}:{secret}".encode())
        self.data, self.locks = str(data), [threading.Lock() for _ in range(64)]
        self.query(TABLE)

    def lock(self, reference):
        """Return the lock for dealing with this reference, so that others wait until it is decided."""
        return self.locks[hash(reference) % len(self.locks)]

    def query(self, statement, *values):
        """Carry out one statement; what it changes is on the disk afterwards."""
        with contextlib.closing(sqlite3.connect(self.data, timeout=20, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA synchronous = EXTRA")
            return db.execute(statement, values).fetchall()


class Handler(BaseHTTPRequestHandler):
    """The calls of the contract."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 30

    def __getattr__(self, name):
        """Take every method: which are allowed depends on the path."""
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def log_message(self, *args):
        """Log nothing."""

    def send_error(self, code, message=None, explain=None):
        """Answer in JSON what is not even HTTP."""
        self.close_connection = True
        self.send(code, {"code": "bad_request", "description": "Yêu cầu không hợp lệ."}, {})

    def send(self, status, answer, headers):
        """Send an answer."""
        body = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(status)
        headers["Connection"] = "close" if self.close_connection else "keep-alive"
        for name, value in {"Content-Type": "application/json", "Content-Length": len(body), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def read(self):
        """Read the body; of one that is too large so much that the client comes to read the answer."""
        self.unread, length = False, self.headers.get("Content-Length", "0").strip()
        if "Transfer-Encoding" in self.headers or not re.fullmatch("[0-9]{1,18}", length):
            self.close_connection = True
            raise Problem(400, "bad_request", "Yêu cầu phải có Content-Length.")
        if int(length) > MAX_BODY:
            self.close_connection = True
            self.rfile.read(min(int(length), 4 * MAX_BODY))
            raise Problem(413, "too_large", "Yêu cầu vượt quá 7 MiB.")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError
        return body

    def answer(self):
        """Answer a request."""
        self.unread = True
        try:
            try:
                answer = *self.route(), {}
            except Problem as problem:
                answer = problem.answer
            except (ConnectionError, TimeoutError):
                raise
            except Exception as error:
                print(f"second_server: {error!r}", file=sys.stderr)
                answer = 500, {"code": "internal_error", "description": "Lỗi hệ thống, chưa rõ kết quả."}, {}
            if self.unread:
                with contextlib.suppress(Problem):
                    self.read()
            self.send(*answer)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def route(self):
        """Find the call, check method and credentials, and carry it out."""
        path = self.path.partition("?")[0]
        match [unquote(part) for part in path.removeprefix(BASE).split("/")] if path.startswith(BASE) else []:
            case ["health"]:
                method, call = "GET", self.health
            case ["openapi.json"]:
                method, call = "GET", lambda: (200, json.loads(OPENAPI.read_text(encoding="utf-8")))
            case ["dossiers"]:
                method, call = "POST", self.submit
            case ["dossiers", reference] if reference:
                method, call = "GET", lambda: self.progress(reference)
            case ["dossiers", reference, "resend-code"] if reference:
                method, call = "POST", lambda: self.resend(reference)
            case _:
                raise Problem(404, "unknown_path", "Không có gì ở địa chỉ này.")
        if self.command != method:
            raise Problem(405, "method_not_allowed", "Phương thức không được phép.", {"Allow": method})
        scheme, _, given = self.headers.get("Authorization", "").partition(" ")
        allowed = scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), self.server.credentials)
        if not allowed and path != BASE + "openapi.json":
            challenge = {"WWW-Authenticate": 'Basic realm="ivan", charset="UTF-8"'}
            raise Problem(401, "unauthorized", "Sai mã khách hàng hoặc mật khẩu.", challenge)
        return call()

    def health(self):
        """Say that it works."""
        client = self.server.client
        return 200, {"status": "ok", "time": now(), "provider": {"code": client, "name": f"I-VAN {client}"}}

    def submit(self):
        """Take a dossier."""
        server, key = self.server, self.headers.get("Idempotency-Key", "").strip().lower()
        if self.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise Problem(415, "unsupported_media_type", "Chỉ nhận application/json.")
        with server.lock(key):
            data, document = read_members(self.read(), key)
            rows = server.query(FIND, server.client, key)
            if not rows:
                fields, tax_codes = examine(document, data["form"], server.client)
                agency, tax_code = data["agency_code"], plain(data["tax_code"])
                if (fields["MaCoQuan"], plain(fields["MaSoThue"])) != (agency, tax_code):
                    raise Problem(400, "bad_request", "agency_code hoặc tax_code không trùng với hồ sơ.")
                if tax_code not in tax_codes:
                    raise Problem(422, "CE013", "Mã số thuế không trùng với chứng thư số.")
                unit = f"{tax_code}/{data.get('unit_code') or ''}"
                values = server.client, key, data["form"], agency, unit, data["sha256"], document, now()
                server.query(INSERT, *values)
            row = (rows or server.query(FIND, server.client, key))[0]
        if (row["sha256"], row["form"]) != (data["sha256"], data["form"]):
            raise Problem(409, "conflict", "Mã tham chiếu đã dùng cho hồ sơ khác.")
        return 200 if rows else 201, receipt(row)

    def find(self, reference):
        """Return the dossier of a reference, once it is decided."""
        if not re.fullmatch(UUID, reference):
            raise Problem(400, "bad_request", "Mã tham chiếu không phải là UUID.")
        with self.server.lock(reference.lower()):
            rows = self.server.query(FIND, self.server.client, reference.lower())
        if not rows:
            raise Problem(404, "not_found", "Không có hồ sơ với mã tham chiếu này.")
        return rows[0]

    def progress(self, reference):
        """Say what became of a dossier."""
        row = self.find(reference)
        texts = ["Đã tiếp nhận hồ sơ.", "Hồ sơ hợp lệ.", "Đã xác nhận."][: 2 if row["form"] == "04" else 3]
        step = {"at": row["accepted_at"], "code": "00", "passed": True}
        steps = [{"step": number, "description": text, **step} for number, text in enumerate(texts, 1)]
        return 200, {**receipt(row), "form": row["form"], "needs_activation": not row["ended"], "steps": steps}

    def resend(self, reference):
        """Pretend to mail the code again."""
        row = self.find(reference)
        if row["ended"]:
            raise Problem(409, row["ended"], "Hồ sơ không chờ mã kích hoạt, hoặc mã đã hết hạn.")
        return 202, {"sent_at": now()}


def serve(port, client, secret, data):
    """A server on 127.0.0.1, port 0 being any free one; its caller lets it serve."""
    return Server(port, client, secret, data)


if __name__ == "__main__":
    running = serve(int(sys.argv[1]), *sys.argv[2:5])
    print("http://{}:{}/ivan/v1".format(*running.server_address), flush=True)
    running.serve_forever()
