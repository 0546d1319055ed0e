"""Updates through a server that nobody trusts: installed is what the makers signed, when a person says so."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest
from makers import KEY, KEYS, OTHER_KEY, program, signed

from ibhxh_agent import __version__, config, release, updates, upgrade
from ibhxh_agent.client import PREFIX, Client, Credentials, Server, ServerError, Unreachable
from ibhxh_agent.config import Folder
from ibhxh_agent.errors import AgentError
from ibhxh_agent.updates import Offer, Updates, platform_name, version_key

INSTALLER = b"MZ the next version" * 10_000


class Computer:
    """A computer with an agent that the installer can replace; notes what was started."""

    def __init__(self, odoo, tmp_path, **options):
        self.started = []
        self.client = Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))
        self.folder = Folder(tmp_path / "c")
        self.updates = Updates(
            self.folder, self.client, **{"keys": KEYS, "start": self.start, "version": "19.0.2.0.0", **options}
        )

    def start(self, path):
        self.started.append(path.read_bytes())

    def beat(self):
        self.updates.consider(self.client.heartbeat([], []).get("update"))
        return self.updates.pending()


@pytest.fixture
def computer(odoo, tmp_path):
    odoo.update, odoo.installer = "99.0.1", INSTALLER
    odoo.documents["program"] = signed(program(INSTALLER))
    return Computer(odoo, tmp_path)


def test_a_signed_newer_version_is_installed_when_the_person_says_so(odoo, computer):
    assert computer.beat() == Offer("99.0.1", len(INSTALLER), program(INSTALLER)["sha256"])
    computer.beat()
    assert odoo.paths().count("release") == 1, "the document is asked for once"
    assert "release/installer" not in odoo.paths() and not computer.started
    seen = []
    computer.updates.install(lambda here, everything: seen.append((here, everything)))
    assert computer.started == [INSTALLER]
    assert seen[-1] == (len(INSTALLER), len(INSTALLER))
    # Another process of the same person sees it as well, the new version no longer.
    assert Updates(computer.folder, computer.client, keys=KEYS, version="98").pending().version == "99.0.1"
    assert Updates(computer.folder, computer.client, keys=KEYS, version="99.0.1").pending() is None


def test_h13_which_version_is_to_be_installed_is_kept_before_the_installer_starts(odoo, computer):
    computer.beat()
    kept = []
    computer.updates._start = lambda _path: kept.append(upgrade.begun(computer.folder).read())
    computer.updates.install()
    assert kept == ["99.0.1"] and upgrade.begun(computer.folder).take() == "99.0.1"

    def blocked(_path):
        raise OSError(225, "the file contains a virus")

    computer.updates._start = blocked
    with pytest.raises(OSError, match="virus"):
        computer.updates.install()
    assert upgrade.begun(computer.folder).read() == ""


def test_an_offer_that_is_withdrawn_is_forgotten(odoo, computer):
    computer.beat()
    odoo.update = ""
    assert computer.beat() is None
    with pytest.raises(AgentError, match="Không có bản cập nhật"):
        computer.updates.install()
    assert not computer.started


@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("no signature", lambda: json.dumps({**json.loads(signed(program(INSTALLER))), "signatures": []})),
        ("another key", lambda: signed(program(INSTALLER), OTHER_KEY)),
        ("older", lambda: signed(program(INSTALLER, version="19.0.1.9.9"))),
        ("this one", lambda: signed(program(INSTALLER, version="19.0.2.0"))),
        ("not the one that was offered", lambda: signed(program(INSTALLER, version="99.0.2"))),
        ("another system", lambda: signed(program(INSTALLER, platform="amiga-68k"))),
        ("another kind", lambda: signed(program(INSTALLER, kind="libraries"))),
        ("too large", lambda: signed(program(INSTALLER, size=updates.MAX_INSTALLER + 1))),
        ("no size", lambda: signed(program(INSTALLER, size=True))),
        ("no hash", lambda: signed(program(INSTALLER, sha256="x" * 64))),
        ("no version", lambda: signed(program(INSTALLER, version="٩٩.0"))),
        ("payload changed", lambda: _bent(signed(program(INSTALLER)))),
        ("no JSON", lambda: "{"),
        ("deep", lambda: "[" * 50_000),
        ("huge", lambda: "x" * (release.MAX_DOCUMENT + 1)),
        ("no text", lambda: 1),
        ("flood of signatures", lambda: signed(program(INSTALLER), *[OTHER_KEY] * 20, KEY)),
    ],
)
def test_what_the_makers_did_not_sign_for_this_computer_is_never_pending(odoo, computer, what, change):
    odoo.documents["program"] = change()
    assert computer.beat() is None, what
    assert computer.updates.refused == "99.0.1", "an administrator learns of it"
    computer.beat()
    assert odoo.paths().count("release") == 1, "not asked for again and again"
    with pytest.raises(AgentError):
        computer.updates.install()
    assert not computer.started and "release/installer" not in odoo.paths()


def _bent(document):
    outer = json.loads(document)
    payload = base64.b64decode(outer["payload"]).replace(b'"size": ', b'"size": 1')
    return json.dumps({**outer, "payload": base64.b64encode(payload).decode()})


@pytest.mark.parametrize(
    "version", ["19.0.2.0.0", "19.0.2", "19.0.1.9", "0", "x", "", "99." * 9, 7, None, "99.0.1; rm"]
)
def test_a_version_that_is_not_newer_is_not_even_asked_for(odoo, computer, version):
    computer.updates.consider({"version": version})
    assert computer.updates.pending() is None and odoo.paths() == []
    for offered in (None, [], "99.0.1", {"version": ["99.0.1"]}):
        computer.updates.consider(offered)
    assert odoo.paths() == []


def test_a_refused_version_takes_the_place_of_the_one_before(odoo, computer):
    computer.beat()
    odoo.update, odoo.documents["program"] = "99.0.2", signed(program(INSTALLER, version="99.0.2"), OTHER_KEY)
    assert computer.beat() is None, "Odoo hands out the one before no more"
    assert computer.updates.refused == "99.0.2"
    odoo.update, odoo.documents["program"] = "99.0.3", signed(program(INSTALLER, version="99.0.3"))
    assert computer.beat().version == "99.0.3" and not computer.updates.refused


def test_without_a_release_key_nothing_is_believed(odoo, computer, tmp_path):
    keyless = Computer(odoo, tmp_path, keys=[])
    assert keyless.beat() is None and keyless.updates.refused
    assert all(len(key) == 32 for key in release.built_in_keys())


def test_one_of_several_keys_is_enough_so_that_keys_can_be_replaced(odoo, computer):
    odoo.documents["program"] = signed(program(INSTALLER), OTHER_KEY, KEY)
    assert computer.beat().version == "99.0.1"


@pytest.mark.parametrize(
    ("what", "content"),
    [
        ("another file", b"MZ evil" + INSTALLER[7:]),
        ("truncated", INSTALLER[:-1]),
        ("longer", INSTALLER + b"x"),
        ("empty", b""),
    ],
)
def test_an_installer_that_is_not_the_signed_one_is_not_started_and_not_kept(odoo, computer, what, content):
    odoo.installer = content
    computer.beat()
    with pytest.raises(AgentError) as error:
        computer.updates.install()
    assert error.value.code == "update_damaged", what
    assert not computer.started
    assert os.listdir(computer.folder.path / "updates") == ["program.json"]
    odoo.installer = INSTALLER
    computer.updates.install()
    assert computer.started == [INSTALLER], "the next try starts from nothing"


def test_a_document_that_is_changed_on_the_disk_is_none(odoo, computer):
    computer.beat()
    (computer.folder.path / "updates" / "program.json").write_text(signed(program(b"x"), OTHER_KEY))
    assert computer.updates.pending() is None


def test_the_installed_version_decides_and_not_the_one_at_the_time_of_the_offer(odoo, computer):
    computer.beat()
    later = Updates(computer.folder, computer.client, keys=KEYS, version="99.1", start=computer.start)
    with pytest.raises(AgentError):
        later.install()
    assert not computer.started


class _Endless(BaseHTTPRequestHandler):
    """Redirects, says no, hangs up in the middle, or never ends."""

    sent = 0

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.close_connection = True
        what = self.server.what
        if what == "redirect":
            self.send_response(302)
            self.send_header("Location", self.server.elsewhere + self.path)
        elif what == "no":
            body = b'{"error": "not_found", "message": "gone"}'
            self.send_response(404)
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_response(200)
            if what == "hang up":
                self.send_header("Content-Length", str(len(INSTALLER)))
        self.end_headers()
        if what == "no":
            self.wfile.write(body)
        elif what == "hang up":
            self.wfile.write(INSTALLER[:5000])
        elif what == "endless":
            try:
                while True:
                    self.wfile.write(INSTALLER)
                    self.server.sent += len(INSTALLER)
            except OSError:
                self.server.ended.set()

    def log_message(self, *_):
        """Quiet."""


@pytest.fixture
def hostile():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Endless)
    server.daemon_threads = True
    server.sent, server.ended = 0, threading.Event()
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("what", "error"),
    [("redirect", Unreachable), ("no", ServerError), ("hang up", AgentError), ("endless", AgentError)],
)
def test_a_hostile_download_ends_and_starts_nothing(odoo, computer, hostile, what, error):
    computer.beat()
    hostile.what, hostile.elsewhere = what, odoo.url
    false = Client(
        Server.parse(f"http://127.0.0.1:{hostile.server_address[1]}"), odoo.database, Credentials(odoo.key, odoo.agent)
    )
    attacked = Updates(computer.folder, false, keys=KEYS, version="19.0.2.0.0", start=computer.start)
    with pytest.raises(error):
        attacked.install()
    assert not computer.started
    assert "release/installer" not in odoo.paths(), "a redirect is not followed: it would carry the key elsewhere"
    assert os.listdir(computer.folder.path / "updates") == ["program.json"]
    if what == "endless":
        assert hostile.ended.wait(30), "the agent hung up"
        # What is on the way in the buffers of the system comes on top of the installer's size.
        assert hostile.sent < 40 * 2**20


def test_a_download_that_drips_for_ever_ends(odoo, computer, monkeypatch):
    monkeypatch.setattr("ibhxh_agent.client.LONGEST_DOWNLOAD", -1.0)
    computer.beat()
    with pytest.raises(Unreachable):
        computer.updates.install()
    assert not computer.started


@pytest.fixture
def held(computer, monkeypatch):
    """The installer is in its folder and another program has it open; ``close`` ends that."""
    computer.beat()
    computer.updates.install()
    (installer,) = computer.folder.path.glob("updates/ibhxh-agent-*")
    monkeypatch.setattr(config, "REPLACE_SECONDS", 0.1)
    if sys.platform == "win32":
        with installer.open("rb") as stream:
            yield SimpleNamespace(file=installer, close=stream.close)
        return
    with monkeypatch.context() as patch:
        unlink = os.unlink

        def refused(path, **options):
            if Path(path).name == installer.name:
                raise PermissionError(13, "Permission denied", str(path))
            unlink(path, **options)

        patch.setattr(os, "unlink", refused)
        yield SimpleNamespace(file=installer, close=patch.undo)


def test_h25_an_installer_that_is_held_is_deleted_later(odoo, computer, held):
    """It deleted the document first, and after that nobody looked for the installer any more."""
    odoo.update = ""
    for _ in range(2):
        assert computer.beat() is None and held.file.exists()
    held.close()
    computer.beat()
    assert list(held.file.parent.iterdir()) == []


def test_h25_nor_does_it_keep_the_next_one_from_being_installed_or_refused(odoo, computer, held):
    odoo.update, odoo.installer = "99.0.2", INSTALLER + b"!"
    odoo.documents["program"] = signed(program(odoo.installer, "99.0.2"))
    computer.beat()
    computer.updates.install()
    assert computer.started[-1] == odoo.installer
    odoo.update, odoo.documents["program"] = "99.0.3", "{}"
    computer.beat()
    computer.beat()
    assert computer.updates.refused == "99.0.3" and odoo.paths().count("release") == 3


def test_h25_a_download_that_cannot_be_deleted_is_told_in_the_words_of_its_own_error(odoo, computer, monkeypatch):
    computer.beat()
    odoo.installer = INSTALLER[:-1] + b"?"
    monkeypatch.setattr(config, "REPLACE_SECONDS", 0.1)
    with monkeypatch.context() as patch:

        def refused(path, **_options):
            raise PermissionError(13, "Permission denied", str(path))

        patch.setattr(os, "unlink", refused)
        with pytest.raises(AgentError) as caught:
            computer.updates.install()
    assert caught.value.code == "update_damaged"
    odoo.update = ""
    computer.beat()
    assert list((computer.folder.path / "updates").iterdir()) == []


def test_a_program_that_pip_installed_is_left_to_pip(odoo, tmp_path):
    odoo.update = "99.0.1"
    plain = Computer(odoo, tmp_path, start=None)
    assert not updates.can_install() and plain.beat() is None
    assert "release" not in odoo.paths()


def test_versions_and_systems():
    assert version_key("19.0.2.0.0") == version_key("19.0.2") < version_key("19.0.2.0.1") < version_key("19.0.10")
    assert updates.VERSION.fullmatch(__version__)
    system, _, machine = platform_name().partition("-")
    assert system in ("linux", "windows", "macos") and machine
    assert PREFIX.endswith("/v1/")
