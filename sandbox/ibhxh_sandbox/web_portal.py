"""The portal's HTTP face: the page for people, the JSON that its script asks for, and the mailbox."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from importlib import resources

from aiohttp import web

from .clock import vietnamese
from .problems import Problem
from .server import Sandbox
from .store import Row
from .web_gateway import answer, json_body

TOKEN = re.compile(r"[0-9A-F]{64}")
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Portal:
    """Handlers of the portal."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        folder = resources.files("ibhxh_sandbox") / "static"
        self._files = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}

    def routes(self) -> list[web.RouteDef]:
        """The routes; activation calls are the endpoint `portal` of fault switches."""
        return [
            web.get("/", self.page),
            web.get("/static/{name}", self.file),
            web.get("/portal/activations/{token}", self.show, name="portal_show"),
            web.post("/portal/activations/{token}", self.activate, name="portal_activate"),
            web.get("/portal/mails", self.mails),
            web.get("/portal/mails/{id:[0-9]+}", self.mail),
            web.get("/portal/mails/{id:[0-9]+}/html", self.mail_html),
        ]

    async def page(self, request: web.Request) -> web.Response:
        """The one page; its script shows home, an activation or the mailbox after the part behind `#`."""
        return self._static("portal.html")

    async def phone(self, request: web.Request) -> web.Response:
        """What somebody's phone shows of remote signing; who it is stands behind `#`."""
        return self._static("phone.html")

    async def file(self, request: web.Request) -> web.Response:
        """Script and style."""
        return self._static(request.match_info["name"])

    async def show(self, request: web.Request) -> web.Response:
        """Unit and dossier behind an activation link."""
        token = _token(request)
        return answer(await self._sandbox.run(lambda: self._sandbox.office.activation(token)))

    async def activate(self, request: web.Request) -> web.Response:
        """The code that the person pasted."""
        token = _token(request)
        body = await json_body(request)
        code, reset = body.get("code"), body.get("reset_password", False)
        if not isinstance(code, str) or not isinstance(reset, bool) or len(code) > 100:
            raise Problem(400, "bad_request", "Yêu cầu không hợp lệ.")
        if not code.strip():
            raise Problem(422, "missing_code", "Hãy nhập mã xác nhận.")
        office = self._sandbox.office
        return answer(await self._sandbox.run(lambda: office.activate(token, code, reset_password=reset)))

    async def mails(self, request: web.Request) -> web.Response:
        """The mails that the sandbox wrote, the newest first."""
        query = "SELECT id, kind, recipient, subject, created_at, sent_at, error FROM mail ORDER BY id DESC LIMIT 200"
        rows = await self._sandbox.run(lambda: self._sandbox.store.all(query))
        return answer([{**row, "at": vietnamese(row["created_at"])} for row in rows])

    async def mail(self, request: web.Request) -> web.Response:
        """The text of one mail."""
        row = await self._row(request)
        message = message_from_bytes(row["message"], policy=policy.default)
        part = message.get_body(("plain",))
        text = part.get_content() if part else None
        return answer({"subject": row["subject"], "text": text, "has_html": message.get_body(("html",)) is not None})

    async def mail_html(self, request: web.Request) -> web.Response:
        """The HTML half of one mail, for a frame without scripts."""
        message = message_from_bytes((await self._row(request))["message"], policy=policy.default)
        part = message.get_body(("html",))
        policy_text = "default-src 'none'; sandbox allow-popups allow-top-navigation-by-user-activation"
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": policy_text}
        # Links leave the frame: the portal does not let itself be shown inside a mail.
        html = '<base target="_top">' + (part.get_content() if part else "")
        return web.Response(text=html, content_type="text/html", headers=headers)

    async def _row(self, request: web.Request) -> Row:
        number = int(request.match_info["id"])
        row = await self._sandbox.run(lambda: self._sandbox.store.one("SELECT * FROM mail WHERE id = ?", number))
        if row is None:
            raise Problem(404, "not_found", "Không có thư này.")
        return row

    def _static(self, name: str) -> web.Response:
        if name not in self._files:
            raise Problem(404, "not_found", "Không có trang này.")
        kind = _TYPES["." + name.rpartition(".")[2]]
        return web.Response(body=self._files[name], content_type=kind, charset="utf-8", headers=SECURITY_HEADERS)


def _token(request: web.Request) -> str:
    token = request.match_info["token"].upper()
    if not TOKEN.fullmatch(token):
        raise Problem(404, "unknown_link", "Đường dẫn kích hoạt không tồn tại. Hãy kiểm tra lại thư điện tử.")
    return token
