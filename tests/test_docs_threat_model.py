"""docs/threat-model.md names tests as evidence: each exists."""

import re
from pathlib import Path

from odoo.tests import BaseCase, tagged

ROOT = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`((?:tests|agent/tests|integration/tests/\w+)/\w+\.py)(?:::(\w+))?`")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestThreatModel(BaseCase):
    def test_every_test_that_is_named_exists(self):
        named = NAMED.findall((ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8"))
        self.assertGreater(len(named), 40)
        for file, test in named:
            with self.subTest(file=file, test=test):
                text = (ROOT / file).read_text(encoding="utf-8")
                self.assertTrue(not test or f"def {test}(" in text)
