"""The web application: gateway, portal and control API behind one error handler and the fault switches."""

from __future__ import annotations

from aiohttp import web

from .faults import Handler, apply_fault
from .problems import Problem
from .server import Sandbox
from .web_control import Control
from .web_gateway import MAX_BODY, Gateway, answer
from .web_portal import Portal
from .web_remote import RemoteWeb

_CODES = {401: "unauthorized", 404: "unknown_path", 405: "method_not_allowed", 413: "too_large"}


def make_app(sandbox: Sandbox) -> web.Application:
    """The application; it starts and stops the sandbox's background work."""

    @web.middleware
    async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            response = answer(problem.body(), status=problem.status)
            if problem.status == 401:
                response.headers["WWW-Authenticate"] = 'Basic realm="I-VAN", charset="UTF-8"'
            return response
        except web.HTTPException as error:
            body = {"code": _CODES.get(error.status, "bad_request"), "description": error.reason}
            response = answer(body, status=error.status)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
            return response

    @web.middleware
    async def faulty(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = getattr(request.match_info.route, "name", None)
        # The portal's calls are one endpoint; those of remote signing are the same in each dialect.
        endpoint = "portal" if name and name.startswith("portal") else (name or "").partition(".")[0]
        fault = sandbox.faults.take(endpoint) if endpoint else None
        return await apply_fault(fault, request, handler) if fault else await handler(request)

    # The faults lie outside: "after" means that even an answer that is a problem has been made by then.
    app = web.Application(middlewares=[faulty, problems], client_max_size=MAX_BODY)
    control, portal = Control(sandbox), Portal(sandbox)
    remote = RemoteWeb(sandbox.remote, control.guarded, portal.phone)
    for part in (Gateway(sandbox), portal, control, remote):
        app.add_routes(part.routes())
    app.cleanup_ctx.append(sandbox.background)
    return app
