"""The example of docs/add-a-gateway.md does what the page says."""

import re
from pathlib import Path
from unittest.mock import patch

from odoo.tests import BaseCase, tagged

from ..tools import gateways
from ..tools.gateways import registry
from .samples.http_server import FaultyServer, reply

PAGE = Path(__file__).parents[1] / "docs" / "add-a-gateway.md"
BLOCK = re.compile(r"^`l10n_vn_ibhxh_example/(\S+)`\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
REFERENCE = "6f2c1c0e-8f2b-4a53-9a52-0d6a5f0f3c11"
DOSSIER = gateways.SignedDossier(form="04", document=b"<Hoso/>", agency_code="001", tax_code="0100109106")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDocsGateway(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.files = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
        cls.startClassPatcher(patch.dict(registry._gateways))
        exec(compile(cls.files["gateway.py"], "gateway.py", "exec"), {"__name__": "example"})

    def outcome(self, answer, call):
        """What `call(gateway)` gives or raises when the server answers so."""
        with FaultyServer(answer) as server:
            gateway = gateways.make("example", base_url=server.url, client_id="x", secret="y")
            try:
                return call(gateway), server.requests
            except gateways.GatewayError as error:
                return error, server.requests

    def submit(self, status, text):
        return self.outcome(reply(status, raw=text.encode()), lambda gateway: gateway.submit(DOSSIER, REFERENCE))

    def test_files(self):
        self.assertEqual(sorted(self.files), ["__init__.py", "__manifest__.py", "gateway.py", "provider.py"])

    def test_receipt(self):
        receipt, seen = self.submit(200, "OK 03706/2026/001\n")
        self.assertEqual(receipt.dossier_number, "03706/2026/001")
        self.assertEqual((seen[0].method, seen[0].body), ("PUT", DOSSIER.document))
        self.assertTrue(seen[0].path.endswith(f"/{REFERENCE}"))

    def test_refused(self):
        error, _seen = self.submit(422, "SE003 Mã số thuế không đúng")
        self.assertIsInstance(error, gateways.Refused)
        self.assertEqual((error.code, error.description), ("SE003", "Mã số thuế không đúng"))

    def test_anything_else_is_unknown(self):
        for status, text in ((500, "OK 1"), (200, "<html>"), (404, ""), (422, "")):
            error, _seen = self.submit(status, text)
            self.assertIsInstance(error, gateways.UnknownOutcome, (status, text))

    def test_progress(self):
        def ask(gateway):
            return gateway.progress(REFERENCE)

        progress, _seen = self.outcome(reply(200, raw=b"confirmed 03706/2026/001"), ask)
        self.assertEqual((progress.state, progress.dossier_number), ("confirmed", "03706/2026/001"))
        unheard, _seen = self.outcome(reply(404, raw=b"UNKNOWN"), ask)
        self.assertIsNone(unheard)
        error, _seen = self.outcome(reply(404, raw=b"<html>no such page</html>"), ask)
        self.assertIsInstance(error, gateways.UnknownOutcome)

    def test_server_off(self):
        gateway = gateways.make("example", base_url="http://127.0.0.1:1", client_id="x", secret="y")
        with self.assertRaises(gateways.Unreachable):
            gateway.submit(DOSSIER, REFERENCE)
        self.assertFalse(gateway.check().ok)
