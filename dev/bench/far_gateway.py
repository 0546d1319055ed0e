"""A gateway that is far away: `python -m dev.bench.far_gateway SECONDS [many]` answers every question so much later.

It knows every dossier and has nothing new about any; with `many` it answers about several in one call. Prints its port.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any

from aiohttp import web

STAMP = "2026-03-02T03:04:05Z"


def _progress(reference: str) -> dict[str, Any]:
    return {
        "client_reference": reference,
        "form": "04",
        "dossier_number": None,
        "accepted_at": STAMP,
        "state": "processing",
        "needs_activation": False,
        "steps": [{"step": 1, "at": STAMP, "code": "OK", "description": "Tiếp nhận", "passed": True}],
        "holder": None,
        "notification": None,
    }


async def _serve(seconds: float, *, offers_many: bool) -> None:
    async def one(request: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.json_response(_progress(request.match_info["reference"]))

    async def many(request: web.Request) -> web.Response:
        asked = (await request.json())["dossiers"]
        await asyncio.sleep(seconds)
        return web.json_response({"dossiers": [_progress(one["client_reference"]) for one in asked]})

    app = web.Application()
    app.add_routes([web.get("/dossiers/{reference}", one)])
    if offers_many:
        app.add_routes([web.post("/progress", many)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    listening = socket.create_server(("127.0.0.1", 0), backlog=512)
    await web.SockSite(runner, listening).start()
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(float(sys.argv[1]), offers_many="many" in sys.argv[2:]))
