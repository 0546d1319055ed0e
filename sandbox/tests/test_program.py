"""The program as it is run: command line, seed file, TLS, and kill -9 at any time."""

import json
import os
import signal
import subprocess
import sys
from datetime import datetime, timezone

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ibhxh_sandbox import example

SEED = {
    "units": [{"tax_code": "0100109106", "unit_code": "TZH490L"}],
    "clients": [{"id": "other", "secret": "khác", "code": "00050", "name": "I-VAN khác"}],
}


class Program:
    """The sandbox in a process of its own."""

    def __init__(self, folder, *arguments):
        (folder / "secret").write_text("mật khẩu\n", encoding="utf-8")
        (folder / "seed.json").write_text(json.dumps(SEED), encoding="utf-8")
        command = [sys.executable, "-m", "ibhxh_sandbox.cli", "--secret-file", folder / "secret"]
        command += [
            "--data",
            folder / "data.sqlite",
            "--seed",
            folder / "seed.json",
            "--set",
            "weather=fair",
            *arguments,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())

    def submit(self, body, auth=("sandbox", "mật khẩu"), **options):
        return requests.post(
            f"{self.ready['gateway']}/dossiers",
            json=body,
            headers={"Idempotency-Key": body["client_reference"]},
            auth=tuple(part.encode() for part in auth),
            timeout=60,
            **options,
        )

    def control(self, path, body=None):
        url = f"{self.ready['portal']}_sandbox/{path}"
        method = "GET" if body is None else "POST"
        return requests.request(method, url, json=body, timeout=60).json()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        status = self.process.wait(60)
        self.process.stdout.close()
        return status


@pytest.fixture
def run(tmp_path):
    """Start programs on the same data file; what still runs at the end is ended."""
    programs = []

    def start(*arguments):
        programs.append(Program(tmp_path, *arguments))
        return programs[-1]

    yield start
    for program in programs:
        if program.process.poll() is None:
            program.end()


@pytest.fixture(scope="module")
def identity():
    return example.make_identity(start=datetime(2020, 1, 1, tzinfo=timezone.utc), days=36500)


def body(identity, changes=None):
    return example.request_body("04", example.sign(example.unsigned("04", changes), identity), changes)


def test_seed_clients_and_a_clean_end(run, identity):
    program = run()

    assert program.submit(body(identity)).status_code == 201
    assert program.submit(body(identity, {"MaIVan": "00050"}), auth=("other", "khác")).status_code == 201
    assert program.control("units")[0]["unit_code"] == "TZH490L"
    assert program.control("dossiers")[0]["activation_url"].startswith(program.ready["portal"] + "#/kich-hoat/")
    assert program.end() == 0


def test_kill_9_after_each_answer_loses_nothing(run, identity):
    bodies = [body(identity) for _ in range(3)]
    receipts = []
    for sent in bodies:
        program = run()
        program.control("clock", {"set": "2026-03-02T02:00:00Z", "frozen": True})  # numbers start again with the year
        receipts.append(program.submit(sent).json())
        assert program.end(signal.SIGKILL) == -signal.SIGKILL

    program = run()
    assert [program.submit(sent).json() for sent in bodies] == receipts
    assert [receipt["dossier_number"][:5] for receipt in receipts] == ["00001", "00002", "00003"]
    assert len(program.control("mails")) == 3


def test_kill_9_between_acceptance_and_answer_loses_nothing(run, identity):
    program = run()
    program.control("faults", {"endpoint": "submit", "kind": "timeout", "when": "after", "seconds": 60})
    sent = body(identity)
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(
            f"{program.ready['gateway']}/dossiers",
            json=sent,
            headers={"Idempotency-Key": sent["client_reference"]},
            auth=("sandbox", "mật khẩu".encode()),
            timeout=(60, 1),
        )
    while not program.control("dossiers"):  # a busy computer may accept it only after the client gave up
        pass
    program.end(signal.SIGKILL)

    program = run()
    assert program.submit(sent).status_code == 200
    assert len(program.control("dossiers")) == 1


def test_units_settings_and_clock_outlive_a_restart(run):
    program = run()
    program.control("units", {"units": [{"tax_code": "0100109106", "state": "stopped"}]})
    program.control("settings", {"processing_seconds": 5})
    program.control("clock", {"set": "2030-01-01T00:00:00Z", "frozen": True})
    program.end()

    program = run()
    assert program.control("units")[0]["state"] == "stopped"
    assert program.control("settings")["processing_seconds"] == 5
    assert program.control("clock")["now"] == "2030-01-01T00:00:00Z"


def test_https(run, tmp_path):
    identity = example.make_identity()
    (tmp_path / "tls.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "tls.key").write_bytes(key)
    program = run("--tls-certificate", tmp_path / "tls.pem", "--tls-key", tmp_path / "tls.key")
    url = program.ready["gateway"] + "/openapi.json"

    assert url.startswith("https://127.0.0.1:")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, timeout=60)
    # The certificate names no address, so only its chain can be asked for; that it is served at all is what counts.
    done = subprocess.run(["curl", "-sk", url], capture_output=True, check=True)
    assert json.loads(done.stdout)["openapi"] == "3.1.0"


def test_the_documentations_example_is_accepted(run, tmp_path):
    environment = {**os.environ, "PYTHONUTF8": "1"}
    for form, status in (("04", 201), ("05", 422), ("06", 422)):
        command = [sys.executable, "-m", "ibhxh_sandbox.example", form, tmp_path / "body.json"]
        subprocess.run(command, check=True, env=environment)
        program = run("--data", tmp_path / f"{form}.sqlite")
        assert program.submit(json.loads((tmp_path / "body.json").read_text(encoding="utf-8"))).status_code == status
        program.end()


def test_a_secret_file_is_needed(capfd):
    done = subprocess.run([sys.executable, "-m", "ibhxh_sandbox.cli"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--secret-file" in done.stderr


def test_settings_on_the_command_line_take_the_place_of_those_in_the_file(run):
    program = run("--set", "code_seconds=60", "--set", "ask_code_for_amend=true")
    program.control("settings", {"code_seconds": 90, "edition": "seed"})
    program.end()

    settings = run("--set", "code_seconds=60").control("settings")

    assert (settings["code_seconds"], settings["edition"], settings["weather"]) == (60, "seed", "fair")
    assert settings["ask_code_for_amend"] is True


@pytest.mark.parametrize("setting", ["weather=nice", "colour=red", "code_seconds=long", "code_seconds=-1", "weather"])
def test_wrong_settings_on_the_command_line_are_named(tmp_path, setting):
    command = [sys.executable, "-m", "ibhxh_sandbox.cli", "--secret-file", "x", "--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert setting in done.stderr


def test_a_data_file_of_another_version_is_refused_with_words(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "old.sqlite") as old:
        old.execute("CREATE TABLE unit (tax_code TEXT PRIMARY KEY)")
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    command = [sys.executable, "-m", "ibhxh_sandbox.cli", "--secret-file", tmp_path / "secret"]
    done = subprocess.run(
        [*command, "--data", tmp_path / "old.sqlite"], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    assert "old.sqlite was written by another version of the sandbox" in done.stderr
    assert "Traceback" not in done.stderr
