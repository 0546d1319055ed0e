"""What happens outside the browser during a tour: the computer with the token, the gateway, VSS.

A tour step says `console.log("backstage: <what> <words…>")`; a thread of the test does it and the page has to show it
by itself. The computer speaks the real agent protocol over HTTP; its key is in memory instead of on a token.
"""

import base64
import hashlib
import queue
import threading
from contextlib import contextmanager
from unittest.mock import patch

import requests
from odoo import SUPERUSER_ID, api
from odoo.tests.common import TEST_CURSOR_COOKIE_NAME, ChromeBrowser

from .samples import signing

CUE = "backstage: "
PREFIX = "/l10n_vn_ibhxh/agent/v1/"


class Backstage:
    """Runs the cues of one tour, one after the other, in a thread of its own."""

    def __init__(self, case, cues):
        """`cues` maps the first word of a cue to a function that takes the others."""
        self.case = case
        self.cues = cues
        self.errors = []
        self._queue = queue.Queue()

    @contextmanager
    def running(self):
        """Listen to the browser's console while the tour runs; afterwards fail with what went wrong backstage."""
        handle = ChromeBrowser._handle_console

        def listen(browser, type, args=None, **kwargs):
            text = str((args or [{}])[0].get("value", ""))
            if text.startswith(CUE):
                self._queue.put(text.removeprefix(CUE).split())
            return handle(browser, type, args=args, **kwargs)

        thread = threading.Thread(target=self._run, name="l10n_vn_ibhxh.backstage", daemon=True)
        with patch.object(ChromeBrowser, "_handle_console", listen):
            thread.start()
            try:
                yield
            finally:
                self._queue.put(None)
                thread.join(120)
                if self.errors:
                    raise self.errors[0]  # rather than what the page missed because of it

    def _run(self):
        while (words := self._queue.get()) is not None:
            try:
                self.cues[words[0]](*words[1:])
            except Exception as error:
                self.errors.append(error)
                return

    @contextmanager
    def env(self):
        """A committed environment of the superuser, as a scheduled action has it."""
        with self.case.registry.cursor() as cr:
            yield api.Environment(cr, SUPERUSER_ID, {})


class Computer:
    """The agent's side of the protocol: what `ibhxh-agent` sends, without its windows."""

    def __init__(self, case, ders):
        self.case = case
        self.ders = ders
        self.credentials = {}
        self.claimed = []

    def call(self, path, body=None):
        """Post one request of the protocol; raises for every answer that is not a success."""
        answer = requests.post(
            f"{self.case.base_url()}{PREFIX}{path}",
            json=body or {},
            headers=self.credentials,
            cookies={TEST_CURSOR_COOKIE_NAME: self.case.http_request_key},
            timeout=120,
        )
        answer.raise_for_status()
        return answer.json()

    def pair(self, code):
        paired = self.call("pair", {"code": code, "name": "PC-KETOAN", "os": "Windows 11", "version": "1.0.0"})
        self.credentials = {"Authorization": f"Bearer {paired['key']}", "X-Ibhxh-Agent": paired["agent"]}

    def beat(self):
        """Say what is plugged in."""
        self.call("heartbeat", {"certificates": [base64.b64encode(der).decode() for der in self.ders], "tokens": []})

    def unplug(self):
        self.call("heartbeat", {"certificates": [], "tokens": []})

    def claim(self):
        """Take what waits; from now on the person at the computer is asked for the PIN."""
        fingerprints = [hashlib.sha256(der).hexdigest() for der in self.ders]
        self.claimed = self.call("requests/claim", {"fingerprints": fingerprints, "limit": 500})

    def sign(self):
        """The person entered the PIN: sign and deliver all that was taken."""
        by_fingerprint = {hashlib.sha256(der).hexdigest(): der for der in self.ders}
        for request in self.claimed:
            signed = signing.sign(base64.b64decode(request["document"]), by_fingerprint[request["fingerprint"]])
            self.call(f"requests/{request['id']}/signed", {"document": base64.b64encode(signed).decode()})
        self.claimed = []

    def refuse(self, code):
        for request in self.claimed:
            self.call(f"requests/{request['id']}/failed", {"code": code, "message": ""})
        self.claimed = []
