"""The program for computers with tokens, as Odoo keeps it, shows it for download and hands it to computers."""

import base64
import hashlib
import json
from pathlib import Path

from lxml import etree
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..models import l10n_vn_ibhxh_agent_release
from ..models.const import AGENT_DOWNLOAD_SHA256, AGENT_DOWNLOAD_URL
from ..models.res_config_settings import SHARED_PARAMETERS
from ..tools import agent_release
from .test_attack_agent import AttackCase

INSTALLER = b"MZ" + b"installer" * 1000
PLATFORM = "windows-x86_64"
MANAGER = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"


def document(installer=INSTALLER, **values):
    """A release file; its signature is the agent's business."""
    payload = {
        "kind": "program",
        "platform": PLATFORM,
        "version": "99.0.1",
        "size": len(installer),
        "sha256": hashlib.sha256(installer).hexdigest(),
        **values,
    }
    content = base64.b64encode(json.dumps(payload).encode()).decode()
    return json.dumps({"format": agent_release.FORMAT, "payload": content, "signatures": ["eA=="]}).encode()


def libraries(version=7):
    return document(kind="libraries", version=version)


class ReleaseCase(AttackCase):
    def setUp(self):
        super().setUp()
        self.releases = self.env["l10n_vn_ibhxh.agent.release"]
        self.releases.search([]).unlink()

    def _release(self, installer=INSTALLER, release_file=None, user=None, **vals):
        if installer is not None:
            vals["file"] = base64.b64encode(installer).decode()
        if release_file is not None:
            vals["document"] = base64.b64encode(release_file).decode()
        return self.releases.with_user(user or self.env.user).create(vals)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAgentRelease(ReleaseCase):
    def test_what_an_administrator_uploads_is_read_from_the_file(self):
        release = self._release(release_file=document())
        self.assertEqual((release.kind, release.version, release.platform), ("program", "99.0.1", PLATFORM))
        self.assertEqual((release.size, release.sha256), (len(INSTALLER), hashlib.sha256(INSTALLER).hexdigest()))
        plain = self._release(version="99.0.2")
        self.assertEqual((plain.kind, plain.version, plain.platform), ("program", "99.0.2", PLATFORM))
        listed = self._release(None, libraries())
        self.assertEqual((listed.kind, listed.version, listed.platform), ("libraries", "7", False))

    def test_the_form_shows_version_and_hash_before_it_is_saved(self):
        with Form(self.releases) as form:
            form.file = base64.b64encode(INSTALLER).decode()
            self.assertEqual(form.sha256, hashlib.sha256(INSTALLER).hexdigest())
            form.document = base64.b64encode(document()).decode()
            self.assertEqual((form.version, form.platform), ("99.0.1", PLATFORM))
        self.assertEqual(form.record.version, "99.0.1")

    def test_what_does_not_belong_together_is_refused_in_words(self):
        self.patch(l10n_vn_ibhxh_agent_release, "MAX_INSTALLER_BYTES", len(INSTALLER))
        cases = {
            "no installer": (None, None, {"version": "1.0"}),
            "no version": (INSTALLER, None, {}),
            "no number": (INSTALLER, None, {"version": "latest"}),
            "too large": (INSTALLER + b"x", None, {"version": "1.0"}),
            "no Windows program": (b"#!/bin/sh", None, {"version": "1.0"}),
            "another installer": (INSTALLER, document(b"MZ other"), {}),
            "another version": (INSTALLER, document(), {"version": "99.0.2"}),
            "another system": (INSTALLER, document(), {"platform": "linux-x86_64"}),
            "a system nobody knows": (INSTALLER, document(platform="amiga"), {}),
            "an installer as list": (INSTALLER, libraries(), {}),
            "no release file": (INSTALLER, b"x", {"version": "1.0"}),
            "not even an object": (INSTALLER, b"[]", {"version": "1.0"}),
            "deep": (INSTALLER, b"[" * 50_000, {"version": "1.0"}),
            "huge": (INSTALLER, b" " * (agent_release.MAX_BYTES + 1), {"version": "1.0"}),
            "hash of another kind": (INSTALLER, document(sha256="x"), {}),
            "list without version": (None, libraries(0), {}),
            "list of version true": (None, libraries(True), {}),
        }
        for name, (installer, release_file, vals) in cases.items():
            with self.subTest(name), self.assertRaises(ValidationError):
                self._release(installer, release_file, **vals)
                self.env.flush_all()
        release = self._release(release_file=document())
        with self.assertRaises(ValidationError):
            release.file = base64.b64encode(b"MZ evil").decode()

    def test_only_who_has_all_companies_puts_a_program_there(self):
        boss = self._new_user("boss", MANAGER, self.company)
        shared = self._new_user("shared", MANAGER, self.env["res.company"].search([]))
        for user in (self.user, boss):
            with self.subTest(user.login), self.assertRaises(AccessError):
                self._release(version="1.0", user=user)
        release = self._release(version="1.0", user=shared)
        for user in (self.user, boss):
            with self.subTest(user.login), self.assertRaises(AccessError):
                release.with_user(user).write({"file": base64.b64encode(b"MZ evil").decode()})


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDownload(ReleaseCase):
    def test_the_newest_of_each_system_is_offered(self):
        downloads = self.releases.with_user(self.user).get_downloads
        self.assertEqual(downloads(), [])
        self._release(version="19.0.9")
        newest = self._release(version="19.0.10")
        linux = self._release(b"\x7fELF", version="1.0", platform="linux-x86_64")
        self._release(version="20.0", active=False)
        self._release(None, libraries())
        self.assertEqual(
            [(one["platform"], one["version"], one["url"], one["sha256"]) for one in downloads()],
            [
                (PLATFORM, "19.0.10", f"/l10n_vn_ibhxh/agent/installer/{newest.id}", newest.sha256),
                ("linux-x86_64", "1.0", f"/l10n_vn_ibhxh/agent/installer/{linux.id}", linux.sha256),
            ],
        )

    def test_h21_no_release_page_is_invented_and_the_dialog_says_what_to_do(self):
        self.assertEqual(self.releases.with_user(self.user).get_downloads(), [])
        self.assertEqual({SHARED_PARAMETERS[name] for name in (AGENT_DOWNLOAD_URL, AGENT_DOWNLOAD_SHA256)}, {""})
        root = Path(__file__).resolve().parents[1]
        dialog = etree.parse(str(root / "static/src/pairing/pairing_widget.xml"))
        (words,) = dialog.xpath("//p[contains(@class, 'o_l10n_vn_ibhxh_no_download')]")
        menu = self.env.ref("l10n_vn_ibhxh.l10n_vn_ibhxh_menu_agent_releases").with_context(lang="en_US")
        for place in (menu.complete_name.replace("/", " > "), "Settings > iBHXH"):
            self.assertIn(place, " ".join(words.text.split()))

    def test_the_address_of_the_settings_as_long_as_odoo_has_none(self):
        settings = self.env["res.config.settings"].create(
            {
                "l10n_vn_ibhxh_agent_download_url": " https://releases.example/ibhxh-agent.exe ",
                "l10n_vn_ibhxh_agent_download_sha256": ("AB" * 32)[:32] + " " + ("AB" * 32)[32:],
            }
        )
        settings.set_values()
        (download,) = self.releases.with_user(self.user).get_downloads()
        self.assertEqual((download["url"], download["sha256"]), ("https://releases.example/ibhxh-agent.exe", "ab" * 32))
        self._release(version="1.0")
        (download,) = self.releases.with_user(self.user).get_downloads()
        self.assertIn("/l10n_vn_ibhxh/agent/installer/", download["url"])

    def test_addresses_and_hashes_that_are_none(self):
        cases = [("url", "http://x.example/a.exe"), ("url", "javascript:alert(1)"), ("url", "https://a@b.example/"),
                 ("url", "https://x.example/\" onclick=\"x"), ("url", "ftp://x"), ("sha256", "abc"),
                 ("sha256", "g" * 64)]  # fmt: skip
        for name, value in cases:
            with self.subTest(value), self.assertRaises(ValidationError):
                self.env["res.config.settings"].create({f"l10n_vn_ibhxh_agent_download_{name}": value}).set_values()

    def test_where_people_download_is_for_who_has_all_companies(self):
        system = self._new_user("system", "base.group_system", self.company)
        for name in (AGENT_DOWNLOAD_URL, AGENT_DOWNLOAD_SHA256):
            self.assertFalse(self.env["ir.config_parameter"].get_param(name))
        vals = {"l10n_vn_ibhxh_agent_download_url": "https://evil.example/a.exe"}
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(system).create(vals).set_values()
        self.env.registry.clear_all_caches()

    def test_employees_download_and_nobody_else(self):
        release = self._release(version="1.0", file_name='x"\r\nSet-Cookie: a=b.html')
        url = f"/l10n_vn_ibhxh/agent/installer/{release.id}"
        self.env.flush_all()
        self.assertIn("/web/login", self.url_open(url, allow_redirects=False).headers.get("Location", ""))
        portal = {"name": "P", "login": "portal-pairing", "password": "portal-pairing"}
        self.env["res.users"].create({**portal, "group_ids": [(6, 0, self.env.ref("base.group_portal").ids)]})
        self._new_user("plain-pairing", "", self.company)
        self.authenticate("portal-pairing", "portal-pairing")
        self.assertEqual(self.url_open(url).status_code, 404)
        self.authenticate("plain-pairing", "plain-pairing")
        answer = self.url_open(url)
        self.assertEqual((answer.status_code, answer.content), (200, INSTALLER))
        self.assertEqual(answer.headers["Content-Type"], "application/vnd.microsoft.portable-executable")
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("attachment", answer.headers["Content-Disposition"])
        self.assertIn("ibhxh-agent-1.0-windows-x86_64.exe", answer.headers["Content-Disposition"])
        self.assertNotIn("Set-Cookie: a", str(answer.headers))
        release.active = False
        self.env.flush_all()
        self.assertEqual(self.url_open(url).status_code, 404)
        self.assertEqual(self.url_open("/l10n_vn_ibhxh/agent/installer/2147483647").status_code, 404)
        listed = self._release(None, libraries())
        self.env.flush_all()
        self.assertEqual(self.url_open(f"/l10n_vn_ibhxh/agent/installer/{listed.id}").status_code, 404)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestUpdateOffers(ReleaseCase):
    def _offered(self, credentials, version="19.0.1.0", platform=PLATFORM):
        answer = self._call("heartbeat", {"version": version, "platform": platform}, **credentials).json()
        return answer["update"], answer["libraries"]

    def test_a_computer_is_told_of_a_newer_version_only_with_its_release_file(self):
        credentials = self._pair()
        self.assertEqual(self._offered(credentials), (None, 0))
        self._release(version="99.0.9")
        self.assertEqual(self._offered(credentials), (None, 0), "nothing that the computer could check")
        release = self._release(release_file=document())
        self.assertEqual(self._offered(credentials), ({"version": "99.0.1"}, 0))
        for version, platform in (("99.0.1", PLATFORM), ("99.0.1.0", PLATFORM), ("100", PLATFORM),
                                  ("1", "linux-x86_64"), ("1", ""), ("1", "libraries"), ("1", "x" * 99)):  # fmt: skip
            self.assertEqual(self._offered(credentials, version, platform)[0], None, (version, platform))
        release.active = False
        self.assertEqual(self._offered(credentials), (None, 0))
        release.active = True
        self._release(None, libraries(3))
        self._release(None, libraries(12))
        self.assertEqual(self._offered(credentials), ({"version": "99.0.1"}, 12))
        release.unlink()
        self.assertEqual(self._offered(credentials), (None, 12))

    def test_documents_and_installer_reach_the_computer_as_they_were_uploaded(self):
        credentials = self._pair()
        self._release(release_file=document())
        self._release(None, libraries(12))
        answer = self._call("release", {"kind": "program", "platform": PLATFORM}, **credentials)
        self.assertEqual(answer.json(), {"document": document().decode()})
        answer = self._call("release", {"kind": "libraries"}, **credentials)
        self.assertEqual(answer.json(), {"document": libraries(12).decode()})
        answer = self._call("release/installer", {"platform": PLATFORM, "version": "99.0.1"}, **credentials)
        self.assertEqual((answer.status_code, answer.content), (200, INSTALLER))
        self.assertEqual(int(answer.headers["Content-Length"]), len(INSTALLER))

    def test_what_is_not_there(self):
        credentials = self._pair()
        self._release(release_file=document())
        cases = [
            ("release", {"kind": "libraries"}, "no_release"),
            ("release", {"kind": "program", "platform": "linux-x86_64"}, "no_release"),
            ("release", {"kind": "x"}, "bad_request"),
            ("release", {"kind": ["program"]}, "bad_request"),
            ("release/installer", {"platform": PLATFORM, "version": "99.0.2"}, "no_release"),
            ("release/installer", {"platform": "libraries", "version": "12"}, "no_release"),
            ("release/installer", {}, "no_release"),
        ]
        for path, body, error in cases:
            with self.subTest(path=path, body=body):
                answer = self._call(path, body, **credentials)
                self.assertEqual(answer.json()["error"], error)
                self.assertEqual(answer.status_code, 400 if error == "bad_request" else 404)

    def test_a_revoked_computer_gets_none(self):
        credentials = self._pair()
        self._release(release_file=document())
        self._agent(credentials).action_revoke()
        for path in ("release", "release/installer"):
            self.assertEqual(
                self._call(path, {"kind": "program", "platform": PLATFORM}, **credentials).status_code, 401
            )

    def test_there_is_no_stream_without_an_installer(self):
        listed = self._release(None, libraries())
        with self.assertRaises(UserError):
            listed._stream()
