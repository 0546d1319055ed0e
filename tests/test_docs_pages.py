"""The pages for people: links that lead somewhere, pictures that exist, commands that ./run knows."""

import ast
import re
from pathlib import Path

from odoo.tests import BaseCase, tagged
from odoo.tools import html_sanitize

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "agent/README.md", ROOT / "sandbox/README.md"])
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDocsPages(BaseCase):
    def test_links_lead_somewhere(self):
        broken = []
        for page in PAGES:
            for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
                if re.match(r"[a-z]+:", link):
                    continue
                name, _hash, anchor = link.partition("#")
                target = (page.parent / name).resolve() if name else page
                if not target.exists() or (anchor and anchor not in anchors(target)):
                    broken.append(f"{page.relative_to(ROOT)}: {link}")
        self.assertFalse(broken)

    def test_every_picture_is_shown(self):
        shown = {
            (page.parent / link).resolve() for page in PAGES for link in LINK.findall(page.read_text(encoding="utf-8"))
        }
        self.assertEqual([], [picture.name for picture in ROOT.glob("docs/img/**/*.*") if picture not in shown])

    def test_commands_exist(self):
        known = set(
            re.findall(r"^  ([a-z0-9]+) ", (ROOT / "dev/__main__.py").read_text(encoding="utf-8"), re.MULTILINE)
        )
        for page in PAGES:
            named = set(re.findall(r"\./run ([a-z0-9]+)", page.read_text(encoding="utf-8")))
            self.assertLessEqual(named - {"help"}, known, page.name)

    def test_apps_page_survives_odoo(self):
        """Odoo cleans the page before it shows it: nothing of it may get lost, and its pictures must be there."""
        folder = ROOT / "static/description"
        source = (folder / "index.html").read_text(encoding="utf-8")
        cleaned = str(html_sanitize(source))
        for part in ("<img ", "style=", "<td", "<h2"):
            self.assertEqual(cleaned.count(part), source.count(part), part)
        manifest = ast.literal_eval((ROOT / "__manifest__.py").read_text(encoding="utf-8"))
        pictures = [f"static/description/{name}" for name in re.findall(r'src="([^"]+)"', source)]
        missing = [name for name in [*pictures, *manifest["images"]] if not (ROOT / name).is_file()]
        self.assertFalse(missing)
