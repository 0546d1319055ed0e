"""The PIN and the key are nowhere but where they belong."""

from __future__ import annotations

import copy
import gc
import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
import uuid
from pathlib import Path

import pki
import pytest
import softhsm
from fakelib import PIN as FAKE_PIN
from forms import form
from private import is_private

from ibhxh_agent import frames, logs
from ibhxh_agent.frames import FrameError, read_frame, write_frame
from ibhxh_agent.prompt.descriptor import DescriptorPrompt, read_pin
from ibhxh_agent.secret import Secret

#: The tokens that the PIN of a run is for.
BOTH = ("--token", "Kế toán", "--token", "Fake token")


def test_after_a_full_run_no_secret_is_in_any_output_file_or_on_the_wire(
    agent, paired, fake, hsm, first_certificate, tmp_path
):
    """Right PIN, wrong PIN, crash at login; the log, all output, all files, everything sent to the server."""
    import hashlib

    broken = hashlib.sha256(fake.certificate).hexdigest()
    fake.behave(login="crash", pin=softhsm.PIN)
    outputs = []
    for pin, fingerprint in (
        (softhsm.PIN, first_certificate.fingerprint),
        ("Sai-PIN-55371", first_certificate.fingerprint),
        (softhsm.PIN, broken),
    ):
        waiting = paired.add(form(), fingerprint)
        process = agent("--library", softhsm.LIBRARY, "run", "--once", *BOTH, pin=pin, library=fake.path)
        outputs += process.communicate(timeout=120)
        assert waiting.state != "claimed"
    assert [entry.state for entry in paired.requests.values()] == ["signed", "failed", "failed"]
    for pin in (softhsm.PIN, "Sai-PIN-55371"):
        places = {"wire": bytes(paired.wire), "output": "".join(outputs).encode()}
        for file in tmp_path.rglob("*"):
            if file.is_file() and file != fake.config:
                places[str(file)] = file.read_bytes()
        assert len(places) > 5
        assert [place for place, content in places.items() if pin.encode() in content] == []
    log = (tmp_path / "config" / "agent.log").read_text(encoding="utf-8")
    assert "claimed 1 requests" in log and paired.key not in log and paired.key not in "".join(outputs)
    assert is_private(tmp_path / "config" / "agent.log")


def test_the_pin_is_not_in_the_environment_or_command_line_of_any_process(agent, paired, own_hsm, first_certificate):
    seen = []
    # A PIN of this test's own: other tests, in other processes of this computer, may hand theirs to a program.
    pin = f"Pin-{uuid.uuid4()}"
    own_hsm.add("Kế toán", [(pki.key(0), first_certificate.der)], pin=pin)

    def look(moment):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    seen.append((entry / "cmdline").read_bytes() + (entry / "environ").read_bytes())
                except OSError:
                    continue

    waiting = paired.add(form(), first_certificate.fingerprint)
    paired.hook = look
    agent("run", "--once", pin=pin).communicate(timeout=120)
    assert waiting.state == "signed"
    assert seen and not any(pin.encode() in content for content in seen)


def test_core_dumps_are_off_in_agent_and_children():
    code = (
        "import resource, sys; from ibhxh_agent.hardening import forbid_memory_dumps; forbid_memory_dumps();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), open('/proc/self/coredump_filter').read() is not None);"
        "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines() == ["(0, 0) True", "0"]  # PR_GET_DUMPABLE


def test_a_crashing_child_leaves_no_core(fake, tmp_path, monkeypatch):
    from ibhxh_agent.errors import SigningError
    from ibhxh_agent.tokens.process import LibraryProcess

    monkeypatch.chdir(tmp_path)
    fake.behave(login="crash")
    library = LibraryProcess(fake.path)
    (token,) = library.tokens()
    import hashlib

    with pytest.raises(SigningError):
        library.open(
            7,
            token["serial"],
            token["label"],
            hashlib.sha256(fake.certificate).hexdigest(),
            Secret(bytearray(b"1")),
            modulus=1,
            warned=True,
        )
    assert len(fake.logins) == 1 and list(tmp_path.glob("core*")) == []


def test_a_secret_does_not_show_itself():
    secret = Secret(bytearray(b"7319"))
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        ascii(secret),
        repr([secret]),
        json.dumps(str(secret)),
    ]
    assert not any("7319" in text for text in shown)
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(secret)
    with pytest.raises(TypeError):
        json.dumps({"pin": secret})
    try:
        raise ValueError(secret)
    except ValueError:
        assert "7319" not in traceback.format_exc()


def test_a_wiped_secret_is_overwritten_in_place():
    buffer = bytearray(b"7319")
    secret = Secret(buffer)
    assert secret.buffer() is buffer and bool(secret)
    secret.wipe()
    secret.wipe()
    assert buffer == b"" and not secret
    with Secret(bytearray(b"1")) as used:
        assert used
    assert not used


def test_no_buffer_with_the_pin_is_left_in_the_agent(hsm, first_certificate):
    """After a batch, no bytes, bytearray or string object of this process holds the PIN that the prompt handed out."""
    from people import Box, LeaseBook, claimed

    from ibhxh_agent.batch import BatchSigner
    from ibhxh_agent.tokens.manager import TokenManager
    from ibhxh_agent.tokens.process import LibraryProcess

    gc.collect()  # what the tests before left behind is not what this one leaves
    reading, writing = os.pipe()
    pin = bytearray(softhsm.PIN.encode())
    os.write(writing, pin)
    os.close(writing)
    manager = TokenManager([LibraryProcess(softhsm.LIBRARY)])
    manager.refresh()
    box = Box()
    prompt = DescriptorPrompt(read_pin(reading))
    BatchSigner(manager, prompt, box, LeaseBook(), "s").work(claimed([form()], first_certificate.fingerprint))
    assert box.kinds() == ["signed"]
    prompt.close()
    manager.close()
    wanted = bytes(pin)
    held = [o for o in gc.get_objects() if isinstance(o, Secret) and wanted in bytes(o.buffer())]
    assert held == []


@pytest.mark.parametrize(
    ("given", "expected"), [(b"1234\n", b"1234"), (b"1234", b"1234"), (b"12\r\nrest", b"12"), (b"\n", b""), (b"", b"")]
)
def test_the_pin_is_read_from_the_descriptor_up_to_the_line_end(given, expected):
    reading, writing = os.pipe()
    os.write(writing, given)
    os.close(writing)
    assert bytes(read_pin(reading).buffer()) == expected
    with pytest.raises(OSError):
        os.fstat(reading)


class Pipe:
    def __init__(self, data=b"", step=1000):
        self.data = bytearray(data)
        self.step = step

    def write(self, view):
        part = view[: self.step]
        self.data += part
        return len(part)

    def readinto(self, view):
        part = self.data[: min(len(view), self.step)]
        view[: len(part)] = part
        del self.data[: len(part)]
        return len(part)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_frames_arrive_whole_and_the_secret_is_outside_the_json(step):
    pipe = Pipe(step=step)
    write_frame(pipe, {"a": "đ"}, Secret(bytearray(b"7319")))
    assert bytes(pipe.data).endswith(b"}7319")
    message, secret = read_frame(pipe)
    assert message == {"a": "đ"} and bytes(secret.buffer()) == b"7319"
    with pytest.raises(EOFError):
        read_frame(pipe)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff\0\0\0\0",
        b"\0\0\0\2\xff\0\0\0{}",
        b"\0\0\0\3\0\0\0\0nul",
        b"\0\0\0\2\0\0\0\0[]",
        b"\0\0\0\1\0\0\0\0\xff",
    ],
)
def test_nonsense_is_no_frame(data):
    with pytest.raises(FrameError):
        read_frame(Pipe(data))


def test_a_frame_that_is_too_large_is_not_sent():
    with pytest.raises(FrameError):
        write_frame(Pipe(), {"a": "x" * (frames.MAX_JSON + 1)})
    with pytest.raises(FrameError):
        write_frame(Pipe(), {}, Secret(bytearray(frames.MAX_SECRET + 1)))


def test_the_log_rotates_and_stays_private(tmp_path):
    path = tmp_path / "logs" / "agent.log"
    logs.start_logging(path, terminal=False)
    try:
        for number in range(30000):
            logging.getLogger("ibhxh_agent.x").info("line %d %s", number, "x" * 60)
        logging.getLogger("urllib3.connectionpool").warning("header Authorization: Bearer abc")
    finally:
        for handler in logging.getLogger().handlers[:]:
            logging.getLogger().removeHandler(handler)
            handler.close()
    files = sorted(path.parent.iterdir())
    assert len(files) == 1 + logs.KEPT
    assert all(file.stat().st_size <= logs.SIZE for file in files)
    assert b"Authorization" not in b"".join(file.read_bytes() for file in files)
    assert FAKE_PIN not in path.read_text(encoding="utf-8")
