"""The doorbell: a click in Odoo reaches the agent at once; without it polling goes on."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest
from bus import FakeBus

from ibhxh_agent import doorbell
from ibhxh_agent.backoff import Backoff
from ibhxh_agent.client import Server
from ibhxh_agent.doorbell import Doorbell


class Rings:
    """Counts rings and waits for them."""

    def __init__(self):
        self.count = 0
        self.changed = threading.Condition()

    def __call__(self):
        with self.changed:
            self.count += 1
            self.changed.notify_all()

    def wait(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: self.count >= count, 60), self.count


@pytest.fixture
def bus():
    made = FakeBus().start()
    yield made
    made.stop()


@pytest.fixture
def rings():
    return Rings()


@pytest.fixture
def bell(bus, rings):
    made = Doorbell(Server.parse(bus.url), "db1", rings, Backoff(first=0.01, longest=0.02))
    yield made
    made.stop()


def test_it_subscribes_as_odoo_wants_and_rings(bus, bell, rings):
    bell.listen("secret-channel")
    bus.wait_subscribed()
    assert bus.channels == ["secret-channel"]
    (head,) = bus.headers
    host = urlsplit(bus.url).netloc.encode()
    assert head.startswith(b"GET /websocket HTTP/1.1")
    assert b"Origin: http://" + host in head and b"Cookie: session_id=session-1" in head
    assert b"User-Agent" not in head and b"Authorization" not in head and b"X-Odoo-Database" not in head
    assert bus.visits == [b"/web/login?db=db1"]
    rings.wait(1)  # what rang before the line stood is asked for
    bus.ring()
    rings.wait(2)
    assert bell.connected


def test_other_messages_and_nonsense_do_not_ring(bus, bell, rings):
    bell.listen("c")
    bus.wait_subscribed()
    rings.wait(1)
    for data in (b"[]", b"nonsense", b'{"a": 1}', b'[{"message": {"type": "bus.bus/im_status"}}]', b"[1, null]"):
        bus.send(data)
    bus.ring("mail.message/insert")
    bus.ring()
    rings.wait(2)
    assert rings.count == 2


def test_it_comes_back_after_the_server_restarted(bus, bell, rings):
    bell.listen("c")
    for count in (1, 2, 3):
        bus.wait_subscribed(count)
        rings.wait(count)
        bus.hang_up()
    bus.wait_subscribed(4)


def test_an_expired_session_is_replaced(bus, bell, rings):
    bell.listen("c")
    bus.wait_subscribed()
    rings.wait(1)
    bus.sessions.clear()
    bus.hang_up()
    bus.wait_subscribed(2)
    assert len(bus.visits) == 2 and bus.sessions == ["session-2"]


def test_a_server_that_closes_at_once_is_asked_less_and_less(bus, rings):
    """Each line that breaks soon after it stood costs more patience, so a fault there makes no storm here."""

    class Counted(Backoff):
        resets = 0

        def reset(self):
            Counted.resets += 1
            super().reset()

    bell = Doorbell(Server.parse(bus.url), "", rings, Counted(first=0.01, longest=0.02))
    bell.listen("c")
    for count in (1, 2, 3):
        bus.wait_subscribed(count)
        bus.hang_up()
    bell.stop()
    assert Counted.resets == 0


def test_pings_of_the_server_are_answered(bus, bell):
    bell.listen("c")
    bus.wait_subscribed()
    bus.ping()
    with bus.changed:
        assert bus.changed.wait_for(lambda: bus.pongs == 1, 60)


def test_a_dead_line_is_found_out(bus, rings, monkeypatch):
    monkeypatch.setattr(doorbell, "_QUIET", 0.05)
    monkeypatch.setattr(doorbell, "_CONNECT", 0.3)
    bus.answer_pings = False
    bell = Doorbell(Server.parse(bus.url), "", rings, Backoff(first=0.01, longest=0.02))
    bell.listen("c")
    bus.wait_subscribed(2)
    bell.stop()


def test_a_quiet_line_that_answers_is_kept(bus, rings, monkeypatch):
    monkeypatch.setattr(doorbell, "_QUIET", 0.05)
    bell = Doorbell(Server.parse(bus.url), "", rings, Backoff(first=0.01, longest=0.02))
    bell.listen("c")
    bus.wait_subscribed()
    rings.wait(1)
    # several quiet periods pass while pings go back and forth
    assert not threading.Event().wait(0.5)
    bus.ring()
    rings.wait(2)
    assert bus.channels == ["c"]
    bell.stop()


def test_a_new_channel_is_followed(bus, bell):
    bell.listen("old")
    bus.wait_subscribed()
    bell.listen("new")
    bus.wait_subscribed(2)
    assert bus.channels == ["old", "new"]


@pytest.mark.parametrize(
    ("address", "proxies", "expected"),
    [
        ("https://odoo.example", {}, {"http_no_proxy": ["*"]}),
        (
            "https://odoo.example",
            {"https": "http://u:p@proxy.example:8080"},
            {
                "http_proxy_host": "proxy.example",
                "http_proxy_port": 8080,
                "proxy_type": "http",
                "http_proxy_auth": ("u", "p"),
            },
        ),
        ("http://127.0.0.1:8069", {"http": "http://proxy.example:8080"}, {"http_no_proxy": ["*"]}),
    ],
)
def test_the_systems_proxy_is_used_but_never_for_this_computer(monkeypatch, address, proxies, expected):
    monkeypatch.setattr(doorbell, "getproxies", lambda: proxies)
    monkeypatch.setattr(doorbell, "proxy_bypass", lambda _host: False)
    assert doorbell._proxy(Server.parse(address)) == expected
