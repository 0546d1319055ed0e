"""What a false or broken server says breaks nothing, is shown harmlessly, and learns nothing: findings S11 and S26."""

from __future__ import annotations

import json
import logging
import os
import select
import struct
import subprocess
import sys
import threading
import time
import unicodedata
from pathlib import Path

import pytest
import softhsm
from forms import form
from people import Box, LeaseBook, Person, claimed

from ibhxh_agent import logs, runner, untrusted
from ibhxh_agent.batch import BatchSigner
from ibhxh_agent.client import Client, Credentials, Server, ServerError, Unreachable
from ibhxh_agent.config import Folder
from ibhxh_agent.doorbell import Doorbell, _rings
from ibhxh_agent.errors import AgentError
from ibhxh_agent.frames import FrameError, read_frame
from ibhxh_agent.texts import text
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess
from ibhxh_agent.untrusted import harmless, loads

if sys.platform != "win32":
    import fcntl
    import pty
    import termios

PAINT = "\x1b[2J\x1b[1;1H\u202eKý tất cả\r\n2026 INFO ok\u2028\u009b\x00"


# -- S11: text ---------------------------------------------------------------------------------------------------------


def is_harmless(shown: str) -> bool:
    return not any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") for c in shown)


def test_s11_no_text_can_rearrange_what_is_shown_around_it():
    assert harmless("a\nb\u202ec\x1b[2Jd\u200be") == "a b c [2Jd e"
    assert len(harmless("x" * 5000)) == untrusted.LONGEST and harmless("x" * 5000).endswith("…")
    everything = "".join(map(chr, range(0x110000)))
    assert is_harmless(harmless(everything, len(everything)))
    assert harmless("Tie\u0302\u0301ng Vie\u0323\u0302t") == "Tiếng Việt"


def test_s11_every_source_of_an_error_or_a_sentence():
    for shown in (
        AgentError("x", PAINT).message,
        str(AgentError("x", PAINT)),
        ServerError(400, PAINT, PAINT).code,
        text("stopped_final", message=PAINT),
        text("paired", server="s", database=PAINT, user=PAINT, expires_at=PAINT),
        text("doctor_token", label=PAINT, serial=PAINT, model=PAINT),
    ):
        assert (is_harmless(shown) and "Ký tất cả" in shown) or shown.startswith(" [2J")


def test_s11_the_log_is_harmless_and_one_line_for_each_record(tmp_path, capfd):
    path = tmp_path / "agent.log"
    logs.start_logging(path, terminal=True)
    before = threading.excepthook
    try:
        logging.getLogger("ibhxh_agent.x").info("request %s: %s", PAINT, PAINT)
        try:
            raise ValueError(PAINT)
        except ValueError:
            logging.getLogger("ibhxh_agent.x").exception("failed")
        dying = threading.Thread(target=lambda: json.loads(PAINT))
        dying.start()
        dying.join()
    finally:
        threading.excepthook = before
        logging.captureWarnings(False)
        for handler in logging.getLogger().handlers[:]:
            logging.getLogger().removeHandler(handler)
            handler.close()
    for shown in (path.read_text(encoding="utf-8"), capfd.readouterr().err):
        assert all(is_harmless(line) for line in shown.split("\n"))
        starts = [line for line in shown.split("\n") if line and not line.startswith("  ")]
        assert len(starts) == 3 and all(" ibhxh_agent." in line for line in starts), starts


class Terminal:
    """A command at a real terminal."""

    def __init__(self, command: list[str]):
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 100, 0, 0))  # 60 lines of 100 columns
        # GNU readline, which pytest loads, leaves the size of its own terminal there.
        environment = {name: value for name, value in os.environ.items() if name not in ("LINES", "COLUMNS")}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment
        )
        os.close(theirs)
        self.shown = ""

    def read_until(self, expected: str) -> None:
        """Until the terminal shows it, behind what was read before."""
        start, data = len(self.shown), b""
        while expected not in self.shown[start:]:
            ready, _, _ = select.select([self.ours], [], [], 60)
            assert ready, self.shown
            data += os.read(self.ours, 65536)
            self.shown = self.shown[:start] + data.decode("utf-8", "replace")

    def type(self, keys: str) -> None:
        os.write(self.ours, keys.encode())


def test_s11_a_false_server_cannot_paint_over_the_question(paired, hsm, first_certificate, tmp_path):
    """Its words reach the log while the terminal asks: from the outbox, about requests that were refused."""
    waiting = paired.add(form(), first_certificate.fingerprint, state="claimed")
    good, bad = claimed([form(), b"<HopDong/>"], first_certificate.fingerprint, requested_by=PAINT)
    bad["id"] = f"9{PAINT}"
    error = json.dumps({"error": PAINT, "message": PAINT}).encode()
    paired.faults += [("requests/claim", 200, json.dumps([bad, good]).encode())]
    paired.faults += [("requests/9", 422, error)]
    config = str(tmp_path / "config")
    command = [sys.executable, "-m", "ibhxh_agent", "--config-dir", config, "--library", softhsm.LIBRARY]
    terminal = Terminal([*command, "run", "--once", "--prompt", "terminal"])
    terminal.type("k\n1234\n")  # typed before the question is there: no answer to it
    terminal.read_until("Enter = để sau:")
    paired.wait_for(lambda: any(path.startswith("requests/9") for path in paired.paths()))
    log = Path(config) / "agent.log"
    while "refused the answer" not in log.read_text(encoding="utf-8"):
        time.sleep(0)
    terminal.type("k\n")
    terminal.read_until("PIN của token")
    assert waiting.state == "claimed"
    terminal.type(f"{softhsm.PIN}\n")
    terminal.read_until("Đã ký 1, không ký 0.")
    assert terminal.process.wait(60) == 0 and waiting.state == "signed"
    shown = terminal.shown.replace("\r\n", "\n").replace("\r", "\n")
    assert is_harmless(shown.replace("\n", ""))
    assert "INFO" not in shown.replace("2026 INFO ok", "") and "WARNING" not in shown
    assert softhsm.PIN not in shown
    assert all(is_harmless(line) for line in log.read_text(encoding="utf-8").split("\n"))
    os.close(terminal.ours)


# -- S26: JSON ---------------------------------------------------------------------------------------------------------

DEEP = [b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 500 + b"1" + b"}" * 500, b"[" * 21 + b"]" * 21]


@pytest.mark.parametrize("data", DEEP, ids=["open", "deep", "objects", "too deep"])
def test_s26_deeply_nested_json_is_no_answer(odoo, data):
    with pytest.raises(ValueError):
        loads(data)
    odoo.faults.append(("heartbeat", 200, data))
    client = Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))
    with pytest.raises(Unreachable) as caught:
        client.heartbeat([], [])
    assert caught.value.code == "not_protocol"
    assert not _rings(data)
    frame = len(data).to_bytes(4, "big") + b"\0\0\0\0" + data

    class Pipe:
        def readinto(self, view):
            nonlocal frame
            part, frame = frame[: len(view)], frame[len(view) :]
            view[: len(part)] = part
            return len(part)

    with pytest.raises(FrameError):
        read_frame(Pipe())


def test_s26_as_deep_as_the_protocol_is_read():
    assert loads(b"[" * 20 + b"]" * 20) and loads('{"a": [{"b": {"c": 1}}]}') == {"a": [{"b": {"c": 1}}]}


ODD = [None, True, "x", "", -1, 10**400, float("nan"), float("inf"), [], {}, [[]], "\x1b", "²", "9" * 400]


@pytest.mark.parametrize("name", ["poll_after", "doorbell", "server_time", "outdated", "minimum_version", "deliveries"])
@pytest.mark.parametrize("value", ODD, ids=lambda value: f"{value!r:.12}")
def test_s26_no_value_of_a_heartbeat_ends_the_agent(odoo, tmp_path, name, value):
    answer = {"poll_after": 60, "pending": 0, "deliveries": 1, name: value}
    odoo.faults.append(("heartbeat", 200, json.dumps(answer).encode()))
    client = Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))
    outbox = type("Outbox", (), {"at_once": 1})()
    agent = runner.Agent(client, TokenManager([]), None, outbox, Folder(tmp_path), None)
    agent._resume = False
    wait = agent._turn(False)
    assert 0 < wait <= runner.SLOWEST_POLL
    assert is_harmless(agent.state.outdated + agent.state.clock_warning + agent.state.message)


@pytest.mark.parametrize("value", ["²", "٣", "-1", "1e9", "9" * 400, "", "soon"])
def test_s26_no_retry_after_stops_the_agent_for_ever(odoo, value):
    from ibhxh_agent.client import LONGEST_WAIT, _seconds

    assert _seconds(value) in (None, LONGEST_WAIT)
    assert _seconds("20") == 20


@pytest.mark.parametrize(
    "entry", [{}, {"id": None}, {"id": {}}, {"id": 1, "document": 5}, {"id": 1, "sha256": []}, {"id": 1, "form": []}]
)
def test_s26_no_claimed_request_ends_the_agent(hsm, first_certificate, entry):
    manager, box = TokenManager([LibraryProcess(softhsm.LIBRARY)]), Box()
    manager.refresh()
    try:
        (good,) = claimed([form()], first_certificate.fingerprint, id=7)
        broken = {**good, "id": 1, "sha256": "x", **entry}
        if entry == {}:
            del broken["id"]
        signer = BatchSigner(manager, Person([softhsm.PIN]), box, LeaseBook(), "s")
        signer.work([broken, {**good, "id": 7}])
    finally:
        manager.close()
    assert box.deliveries["7"].kind == "signed" and box.kinds().count("failed") == 1


def test_s26_more_requests_than_were_asked_for_are_no_answer(odoo):
    odoo.faults.append(("requests/claim", 200, json.dumps([{}] * 21).encode()))
    client = Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))
    with pytest.raises(Unreachable):
        client.claim(["00"], 20)


def test_s26_no_packed_answer_is_unpacked(odoo):
    import gzip

    client = Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))
    client.ping()
    assert odoo.headers[-1]["Accept-Encoding"] == "identity"
    odoo.faults.append(("heartbeat", 200, gzip.compress(b'{"poll_after": 1}')))
    with pytest.raises(Unreachable):
        client.heartbeat([], [])


# -- S26: what the environment adds to requests ------------------------------------------------------------------------


@pytest.fixture
def netrc(tmp_path, monkeypatch):
    file = tmp_path / "netrc"
    file.write_text("default login somebody password netrc-password\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("netrc")
def test_s26_no_password_of_netrc_is_sent(odoo):
    """Neither instead of the key, nor when there is no key yet, nor with the doorbell's visit."""
    # As it is for a server elsewhere: the environment counts (proxies), except for this.
    server = Server(odoo.url, loopback=False)
    client = Client(server, odoo.database, Credentials(odoo.key, odoo.agent))
    client.ping()
    Client(server, odoo.database).pair(odoo.code, "pc")
    sent = [headers.get("Authorization") for headers in odoo.headers]
    assert sent == [f"Bearer {odoo.key}", None]
    doorbell = Doorbell(server, odoo.database, lambda: None)
    try:
        assert doorbell._anonymous_session()
    finally:
        doorbell.stop()
    assert odoo.visits and not any("Authorization" in headers for headers in odoo.visits)
    assert b"netrc" not in odoo.wire


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1]evil.example",
        "http://[::1]evil.example:80/",
        "http://[::1].evil.example",
        "http://[::1]:80evil.example",
        "http://[::1",
        "http://127.0.0.1\\@evil.example",
        "http://127.0.0.1\\.evil.example",
        "http://127.0.0.1%2f@evil.example",
        "http://127.0.0.1%00.evil.example",
        "http://localhost:99999",
        "http://localhost:x",
        "http://localhost:",
        "http://:80",
        "http://localhost @evil.example",
        "http://[v1.x]",
        "https://odoo.example\\@evil.example",
        "https://od\u200boo.example",
    ],
)
def test_s26_an_address_that_can_be_read_in_two_ways_is_refused(address):
    with pytest.raises(AgentError) as caught:
        Server.parse(address)
    assert caught.value.code in ("bad_server", "plain_http")


def test_o18_pairing_without_the_database_names_the_option(odoo, agent):
    """A server with several databases behind dbfilter answers 404 before the addon sees the call."""
    odoo.faults.append(("pair", 404, b"<html>Not Found</html>"))
    process = agent("pair", "--server", odoo.url, "--code", odoo.code)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1 and "--database" in err
    process = agent("pair", "--server", odoo.url, "--code", odoo.code, "--database", odoo.database)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0 and odoo.database in out, err
    assert odoo.headers[-1]["X-Odoo-Database"] == odoo.database
