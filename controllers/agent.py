import base64
import binascii
import json
import logging
from functools import wraps

from odoo import http
from odoo.exceptions import LockError
from odoo.fields import Domain
from odoo.http import Response, request
from psycopg2 import OperationalError

from ..models.const import MAX_DELIVERIES
from ..models.diagnosis_texts import DIAGNOSES, MAX_DETAIL, MAX_ENTRIES
from ..tools.one_line import one_line
from ..tools.throttle import Throttle, source

_logger = logging.getLogger(__name__)

PREFIX = "/l10n_vn_ibhxh/agent/v1"
MAX_BODY_BYTES = 8 * 2**20
MAX_CERTIFICATE_BYTES = 64 * 2**10
MAX_CERTIFICATES = 64
MAX_TOKENS = 32
MAX_CLAIM = 500
DEFAULT_CLAIM = 20
MAX_ID = 2**31 - 1
# Wrong pairing codes by address. Log-ins are counted by Odoo: neither count lifts the other or suffers from it.
wrong_codes = Throttle(10, 600)
STATUS = {
    "bad_request": 400,
    "invalid_code": 403,
    "no_release": 404,
    "not_found": 404,
    "already_done": 409,
    "lease_lost": 409,
    "not_json": 415,
    "rejected": 422,
    "throttled": 429,
    "server_error": 503,
}
# Own authentication (API key and device id), so no session and no CSRF token; see ir_http.py.
ROUTE = {
    "type": "http",
    "auth": "l10n_vn_ibhxh_agent",
    "methods": ["POST"],
    "csrf": False,
    "save_session": False,
    "max_content_length": MAX_BODY_BYTES,
}


class ProtocolError(Exception):
    """An answer other than success: a code of `STATUS` and details for the JSON body."""

    def __init__(self, code, **details):
        super().__init__(code)
        self.code = code
        self.details = details


def endpoint(function):
    """Turn a method `(self, agent, body) -> JSON` into a route handler that answers every error as JSON."""

    @wraps(function)
    def handler(self, **path):
        try:
            answer = function(self, _agent(), _body(), **path)
        except ProtocolError as error:
            return _error(error.code, **error.details)
        except LockError:
            return _error("server_error")
        return answer if isinstance(answer, Response) else request.make_json_response(answer)

    return handler


def _agent():
    """Return the computer that `_auth_method_l10n_vn_ibhxh_agent` let in."""
    agent = request.env["l10n_vn_ibhxh.agent"].sudo().browse(request.env.context["l10n_vn_ibhxh_agent_id"])
    if request.env.context["l10n_vn_ibhxh_key_is_next"]:
        agent._promote_next_key()
    return agent


def _body():
    # Any web page may have a browser post text or a form here, but JSON only where CORS allows it, which is nowhere.
    if request.httprequest.mimetype != "application/json":
        raise ProtocolError("not_json")
    try:
        body = json.loads(request.httprequest.get_data() or b"{}")
    except (ValueError, RecursionError) as error:
        raise ProtocolError("bad_request") from error
    if not isinstance(body, dict):
        raise ProtocolError("bad_request")
    return body


def _error(code, **details):
    message = request.env["l10n_vn_ibhxh.agent"].sudo()._error_message(code)
    return request.make_json_response({"error": code, "message": message, **details}, status=STATUS[code])


def _utc(value):
    return value.isoformat() + "Z"


def _text(body, key, limit, default=""):
    value = body.get(key, default)
    if not isinstance(value, str):
        raise ProtocolError("bad_request")
    return _clean(value)[:limit]


def _clean(text):
    """Return `text` without what PostgreSQL cannot store and JSON can say: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _base64(value, limit):
    if not isinstance(value, str) or len(value) > limit * 4 // 3 + 4:
        raise ProtocolError("bad_request")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError("bad_request") from error


def _strings(body, key, most):
    values = body.get(key, [])
    if not isinstance(values, list) or len(values) > most or not all(isinstance(value, str) for value in values):
        raise ProtocolError("bad_request")
    return [_clean(value) for value in values]


def _entries(body):
    """Return the deliveries of one call: at least one, and no more than the heartbeat said."""
    entries = body.get("signed")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_DELIVERIES:
        raise ProtocolError("bad_request")
    if not all(isinstance(entry, dict) for entry in entries):
        raise ProtocolError("bad_request")
    return entries


def _tokens(body):
    """Return what is known of the tokens, and nothing that the protocol does not name."""
    tokens = body.get("tokens", [])
    if not isinstance(tokens, list) or len(tokens) > MAX_TOKENS or not all(isinstance(token, dict) for token in tokens):
        raise ProtocolError("bad_request")
    return [
        {name: _text(token, name, 64) for name in ("label", "serial", "model", "manufacturer")}
        | {"pin_flags": [flag[:32] for flag in _strings(token, "pin_flags", 16)]}
        for token in tokens
    ]


def _diagnosis(body):
    """Return why the computer cannot sign: known codes only, each with a detail in one line, or None."""
    entries = body.get("diagnosis")
    if entries is None:
        return None
    if not isinstance(entries, list) or len(entries) > MAX_ENTRIES or not all(isinstance(one, dict) for one in entries):
        raise ProtocolError("bad_request")
    return [
        {"code": code, "detail": one_line(_text(entry, "detail", MAX_DETAIL))}
        for entry in entries
        if (code := _text(entry, "code", 32)) in DIAGNOSES
    ]


class AgentController(http.Controller):
    """Protocol v1 between Odoo and `ibhxh-agent` (docs/agent-protocol.md). The agent calls, Odoo answers."""

    @http.route(f"{PREFIX}/pair", **{**ROUTE, "auth": "public"})
    def pair(self):
        """Exchange a one-time code for the computer's id and key. Wrong codes are throttled by address."""
        try:
            body = _body()
            agent, key = self._pair(
                _text(body, "code", 32), _text(body, "name", 64), _text(body, "os", 64), _text(body, "version", 32)
            )
        except ProtocolError as error:
            return _error(error.code)
        return request.make_json_response(
            {
                "agent": agent.device,
                "key": key,
                "expires_at": _utc(agent.key_expires_at),
                "server_time": _utc(agent.last_seen_at),
                "user": agent.user_id.name,
                "database": request.env.cr.dbname,
            }
        )

    def _pair(self, *args):
        guesser = (request.env.cr.dbname, source(request.httprequest.remote_addr))
        if not wrong_codes.enter(guesser):
            raise ProtocolError("throttled")
        paired = is_wrong = None
        try:
            paired = request.env["l10n_vn_ibhxh.agent"].sudo()._pair(*args)
            is_wrong = not paired
        finally:
            if not is_wrong:
                wrong_codes.take_back(guesser)
        if is_wrong:
            _logger.info("Wrong pairing code from %s", request.httprequest.remote_addr)
            raise ProtocolError("invalid_code")
        return paired

    @http.route(f"{PREFIX}/heartbeat", **ROUTE)
    @endpoint
    def heartbeat(self, agent, body):
        ders = [_base64(value, MAX_CERTIFICATE_BYTES) for value in _strings(body, "certificates", MAX_CERTIFICATES)]
        platform = _text(body, "platform", 32)
        return agent._heartbeat(ders, _tokens(body), _text(body, "version", 32), platform, _diagnosis(body))

    @http.route(f"{PREFIX}/release", **ROUTE)
    @endpoint
    def signed_release(self, agent, body):
        """Hand out what the makers of the agent signed about a program, or about the list of token drivers."""
        kind, platform = _text(body, "kind", 16), _text(body, "platform", 32)
        if kind not in ("program", "libraries"):
            raise ProtocolError("bad_request")
        release = request.env["l10n_vn_ibhxh.agent.release"]._find(kind, platform)
        if not release:
            raise ProtocolError("no_release")
        return {"document": release._bytes("document").decode()}

    @http.route(f"{PREFIX}/release/installer", **ROUTE)
    @endpoint
    def installer(self, agent, body):
        """Stream the installer of a version that the heartbeat named."""
        platform, version = _text(body, "platform", 32), _text(body, "version", 32)
        release = request.env["l10n_vn_ibhxh.agent.release"]._find("program", platform, version)
        if not release:
            raise ProtocolError("no_release")
        return release._stream().get_response(as_attachment=True)

    @http.route(f"{PREFIX}/requests/claim", **ROUTE)
    @endpoint
    def claim(self, agent, body):
        fingerprints = _strings(body, "fingerprints", 64)
        limit = body.get("limit", DEFAULT_CLAIM)
        if not isinstance(limit, int) or not 0 < limit <= MAX_CLAIM:
            raise ProtocolError("bad_request")
        claimed = (
            request.env["l10n_vn_ibhxh.signing.request"]
            .sudo()
            ._claim(agent, fingerprints, limit, resume=body.get("resume") is True)
        )
        return [self._describe(signing) for signing in claimed]

    @http.route(f"{PREFIX}/requests/<int:request_id>/renew", **ROUTE)
    @endpoint
    def renew(self, agent, body, request_id):
        signing = self._find(agent, request_id)
        if not signing._renew(agent):
            raise ProtocolError("lease_lost")
        return {"lease_until": _utc(signing.lease_until)}

    @http.route(f"{PREFIX}/requests/<int:request_id>/signed", **ROUTE)
    @endpoint
    def signed(self, agent, body, request_id):
        document = _base64(body.get("document"), MAX_BODY_BYTES)
        signing = self._find(agent, request_id)
        outcome, reason = signing._deliver(agent, document)
        if outcome != "signed":
            raise ProtocolError(outcome, reason=reason)
        return {"state": "signed"}

    @http.route(f"{PREFIX}/requests/signed", **ROUTE)
    @endpoint
    def signed_together(self, agent, body):
        """Take several signed documents; each is judged by itself, and the answers are in the same order."""
        deliveries = [(entry.get("id"), _base64(entry.get("document"), MAX_BODY_BYTES)) for entry in _entries(body)]
        if not all(isinstance(request_id, int) and 0 < request_id <= MAX_ID for request_id, _document in deliveries):
            raise ProtocolError("bad_request")
        requests = request.env["l10n_vn_ibhxh.signing.request"].sudo()
        ids = [request_id for request_id, _document in deliveries]
        found = requests.search(requests._domain_for(agent) & Domain("id", "in", ids)).grouped("id")
        known = {}
        for request_id, document in deliveries:
            # Of several for one request the first counts; the others are answered as a second delivery is.
            if request_id in found:
                known.setdefault(found[request_id], document)
        outcomes = self._take(agent, known)
        answers = []
        for request_id, document in deliveries:
            signing = found.get(request_id)
            outcome = outcomes[signing] if signing else ("not_found", None)
            if signing and known[signing] is not document:
                outcome = self._take(agent, {signing: document})[signing]
            answers.append(self._answer(*outcome))
        return answers

    def _take(self, agent, deliveries):
        """Take several, together where that works; whatever is wrong with one, the others are not concerned."""
        requests = request.env["l10n_vn_ibhxh.signing.request"].sudo()
        try:
            with request.env.cr.savepoint():
                return requests._deliver_all(agent, deliveries)
        except OperationalError:
            # The transaction is over: Odoo repeats the whole call.
            raise
        except Exception as error:
            if len(deliveries) > 1:
                return {
                    signing: outcome
                    for one in deliveries
                    for signing, outcome in self._take(agent, {one: deliveries[one]}).items()
                }
            if not isinstance(error, LockError):
                _logger.exception("Taking the signature of request %s failed", next(iter(deliveries)).id)
            return dict.fromkeys(deliveries, ("server_error", None))

    def _answer(self, outcome, reason):
        if outcome == "signed":
            return {"state": "signed"}
        message = request.env["l10n_vn_ibhxh.agent"].sudo()._error_message(outcome)
        return {"error": outcome, "message": message} | ({"reason": reason} if reason else {})

    @http.route(f"{PREFIX}/requests/<int:request_id>/failed", **ROUTE)
    @endpoint
    def failed(self, agent, body, request_id):
        code, message = _text(body, "code", 32), _text(body, "message", 500)
        signing = self._find(agent, request_id)
        if not signing._refuse(agent, code, message):
            raise ProtocolError("lease_lost")
        return {"state": "failed"}

    @http.route(f"{PREFIX}/requests/<int:request_id>/release", **ROUTE)
    @endpoint
    def release(self, agent, body, request_id):
        signing = self._find(agent, request_id)
        if not signing._release(agent):
            raise ProtocolError("lease_lost")
        return {"state": "pending"}

    @http.route(f"{PREFIX}/key", **ROUTE)
    @endpoint
    def key(self, agent, body):
        key, expires_at = agent._renew_key()
        return {"key": key, "expires_at": _utc(expires_at)}

    def _find(self, agent, request_id):
        """Return the signing request if it is one that `agent` may sign; its existence is nobody else's business."""
        requests = request.env["l10n_vn_ibhxh.signing.request"].sudo()
        signing = requests.search(requests._domain_for(agent) & Domain("id", "=", request_id))
        if not signing:
            raise ProtocolError("not_found")
        return signing

    def _describe(self, signing):
        """Return what the token's holder has to see before deciding, and the document itself."""
        return {
            "id": signing.id,
            "title": signing.title,
            "company": signing.company_id.name,
            "requested_by": signing.user_id.name,
            "document": signing.document.decode(),
            "sha256": signing.sha256,
            "fingerprint": signing.certificate_id.fingerprint,
            "lease_until": _utc(signing.lease_until),
        }
