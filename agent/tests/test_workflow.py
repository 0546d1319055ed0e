"""The workflow for Windows and macOS, which cannot run here: what it names is there, and what it leaves out is said."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from typing import Any

import left_out
import pytest
import softhsm
import yaml

AGENT = Path(__file__).resolve().parents[1]
ROOT = AGENT.parent
TEXT = (ROOT / ".github" / "workflows" / "agent.yml").read_text(encoding="utf-8")
JOBS: dict[str, Any] = yaml.safe_load(TEXT)["jobs"]
WINDOWS = {name: job for name, job in JOBS.items() if job["runs-on"] == "windows-latest"}
#: What the actions take, of their action.yml; an input that an action does not know is only a warning in a log.
INPUTS = {
    "actions/checkout@v4": {"persist-credentials"},
    "actions/setup-python@v5": {"python-version", "architecture", "update-environment"},
    "actions/upload-artifact@v4": {"name", "path", "if-no-files-found", "include-hidden-files"},
    "actions/download-artifact@v4": {"name", "path"},
    "actions/attest-build-provenance@v2": {"subject-path"},
}
STEPS = [(name, step) for name, job in JOBS.items() for step in job["steps"]]
COMMANDS = [(name, line) for name, step in STEPS for line in step.get("run", "").splitlines()]


def with_words(*words: str) -> list[tuple[str, str]]:
    """Job and command line, of those with all of these words."""
    return [(name, line) for name, line in COMMANDS if all(word in line for word in words)]


def test_h3_every_script_file_and_option_is_there():
    named = [(line, path) for _job, line in COMMANDS for path in re.findall(r"agent/[\w./-]+", line)]
    assert len(named) >= 10
    for line, path in named:
        assert (ROOT / path).is_file(), line
    for _job, line in with_words("agent/", ".py"):
        script, rest = re.search(r"(agent/\S+\.py)(.*)", line).groups()
        for option in re.findall(r"\s(--\w[\w-]*)", rest):
            assert f'"{option}"' in (ROOT / script).read_text(encoding="utf-8"), line
    extras = (AGENT / "pyproject.toml").read_text(encoding="utf-8")
    for _job, line in with_words("./agent["):
        (extra,) = re.findall(r"\./agent\[(\w+)\]", line)
        assert f"\n{extra} = [" in extras, line


@pytest.mark.parametrize(("job", "step"), STEPS, ids=lambda value: value if isinstance(value, str) else "")
def test_h3_every_step_is_bash_and_every_input_known(job, step):
    if "run" in step:
        script = re.sub(r"\$\{\{.*?\}\}", "x", step["run"])
        checked = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert checked.returncode == 0 and "shell" not in step, checked.stderr
    else:
        assert set(step.get("with", {})) <= INPUTS[step["uses"]]


def test_h3_both_systems_run_the_whole_suite():
    """Not a selection of modules: what a system cannot tell is left out by name, in helpers/left_out.py."""
    tested = with_words("pytest")
    for job, line in [(job, line) for job, line in tested if "pip install" not in line]:
        words = line.removeprefix("cd agent && python -m pytest ").split()
        assert [word for word in words if not word.startswith("-")] == ["left_out", "tests"], (job, line)
    assert {job for job, line in tested if "left_out" in line} == {"windows-tests", "macos"}
    assert JOBS["macos"]["runs-on"] == "macos-latest"


def test_h3_a_scanner_that_is_off_is_no_verdict(tmp_path):
    """The step as it is, with a scanner that finds nothing, one that works, and one that finds the installer bad."""
    (step,) = [step for _name, step in STEPS if "MpCmdRun" in step.get("run", "")]
    script = re.sub(r"\"/c/Program Files/Windows Defender/MpCmdRun.exe\"", "scanner", step["run"])
    for finds, code in (("nothing", 1), ("*/eicar.com", 0), ("*/eicar.com|*/dist", 2)):
        scanner = f'cygpath() {{ echo "$2"; }}; scanner() {{ case "$*" in {finds}) return 2;; esac; }}\n'
        done = subprocess.run(["bash", "-eo", "pipefail"], input=scanner + script, text=True, cwd=tmp_path)
        assert done.returncode == code, finds


def test_h3_what_the_tests_ask_of_their_environment_is_set():
    sources = [path for folder in ("tests", "packaging") for path in (AGENT / folder).rglob("*.py")]
    names = {name for path in sources for name in re.findall(r"IBHXH_TEST_\w+", path.read_text(encoding="utf-8"))}
    assert names == {"IBHXH_TEST_LIBRARIES", "IBHXH_TEST_TOKENS"}
    for name, job in WINDOWS.items():
        if any(
            command in line for of, line in COMMANDS if of == name for command in ("pytest", "build.py", "trial.py")
        ):
            assert job["env"]["IBHXH_TEST_LIBRARIES"] == "${{ github.workspace }}/libraries", name
    assert JOBS["windows-tests"]["env"]["IBHXH_TEST_TOKENS"] == "${{ matrix.tokens }}"
    assert JOBS["windows-tests"]["strategy"]["matrix"]["tokens"] == ["model", "SoftHSM2"]


def test_h3_a_job_takes_only_what_an_earlier_one_made():
    made = {
        step["with"]["name"]: name for name, step in STEPS if step.get("uses", "").startswith("actions/upload-artifact")
    }
    taken = [
        (name, step["with"]["name"])
        for name, step in STEPS
        if step.get("uses", "").startswith("actions/download-artifact")
    ]
    assert set(made) == {"libraries", "program-windows", "windows", "macos"} and len(taken) == 8
    for name, artefact in taken:
        assert made[artefact] in before(name), (name, artefact)


def before(name: str) -> set[str]:
    """The jobs that have passed when this one begins."""
    needs = JOBS[name].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*map(before, direct))


def test_h3_nothing_that_installs_packages_may_sign():
    """What they bring along could else attest anything in the repository's name. What is attested has passed all."""
    assert TEXT.count("\npermissions:\n  contents: read\n") == 1
    assert [name for name, job in JOBS.items() if "permissions" in job] == ["attest"]
    assert not any("run" in step for step in JOBS["attest"]["steps"]) and before("attest") == set(JOBS) - {"attest"}
    for _name, step in STEPS:
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"] == {"persist-credentials": False}


def test_h3_expressions_name_what_is_there():
    identifiers = {step["id"] for _name, step in STEPS if "id" in step}
    found = set(re.findall(r"\$\{\{\s*(.*?)\s*\}\}", TEXT))
    assert found == {
        "github.workspace",
        "matrix.tokens",
        "steps.x86.outputs.python-path",
        "!cancelled()",
    }
    assert identifiers == {"x86"}


def test_h3_the_installer_is_made_where_its_stub_is_and_tried_on_windows():
    """Chocolatey's NSIS has no part for 64-bit programs; Debian's has."""
    ((job, _line),) = with_words("installer.py")
    assert JOBS[job]["container"] == "debian:12" and "Target amd64-unicode" in (
        AGENT / "packaging" / "installer.nsi"
    ).read_text(encoding="utf-8")
    assert [name for name, _line in with_words("trial.py")] == ["windows-trial"]
    assert not with_words("choco", "nsis")


# --- what other systems leave out ---


def test_h3_whatever_is_left_out_exists():
    """On each system a name that no test has is a failure; those of macOS are seen here only."""
    tests = Path(__file__).parent
    assert [name for name in left_out.FILES if not (tests / name).is_file()] == []
    for name in left_out.TESTS:
        file, _, function = name.partition("::")
        defined = {
            node.name
            for node in ast.walk(ast.parse((tests / file).read_text(encoding="utf-8")))
            if isinstance(node, ast.FunctionDef)
        }
        assert function.partition("[")[0] in defined, name


def test_h3_macos_leaves_out_what_macos_lacks(monkeypatch):
    monkeypatch.setattr(left_out.sys, "platform", "darwin")
    monkeypatch.setattr(softhsm, "SPY", "")
    assert left_out.here() == {left_out.MACOS, left_out.NO_SPY}
    monkeypatch.setattr(left_out, "_HERE", left_out.here())
    names = [*left_out.FILES, *left_out.TESTS]
    out = {name for name in names if left_out.reason(name)}
    assert {"test_window.py", "test_tokens.py::test_a_login_happens_only_on_the_token_with_the_certificate"} <= out
    assert "test_end_to_end.py::test_a_request_is_signed_and_delivered" not in out and len(out) < len(names)


def test_h3_on_linux_nothing_is_left_out():
    assert left_out.here() == {left_out.LINUX}
    assert [name for name in (*left_out.FILES, *left_out.TESTS) if left_out.reason(name)] == []


# --- where SoftHSM2 is ---


def put(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def found(root: Path, platform: str, **environment: str) -> softhsm.Libraries:
    return softhsm.libraries(platform, environment, f"{root}/")


@pytest.fixture(autouse=True)
def _no_private_installation(monkeypatch):
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)


def test_h3_on_linux_the_spy_is_needed_too(tmp_path):
    put(tmp_path, "usr/lib/softhsm/libsofthsm2.so")
    with pytest.raises(FileNotFoundError, match=r"pkcs11-spy\.so"):
        found(tmp_path, "linux")
    put(tmp_path, "usr/lib/x86_64-linux-gnu/pkcs11-spy.so")
    assert not found(tmp_path, "linux").model


@pytest.mark.parametrize("home", ["opt/homebrew", "usr/local", "Users/runner/brew"])
def test_h3_homebrew_has_softhsm2_and_perhaps_the_spy(tmp_path, home):
    variables = {"HOMEBREW_PREFIX": f"/{home}"} if home.startswith("Users") else {}
    with pytest.raises(FileNotFoundError):
        found(tmp_path, "darwin", **variables)
    put(tmp_path, f"{home}/lib/softhsm/libsofthsm2.so")
    libraries = found(tmp_path, "darwin", **variables)
    assert libraries.softhsm.endswith(f"{home}/lib/softhsm/libsofthsm2.so") and libraries.spy == ""
    put(tmp_path, f"{home}/lib/pkcs11/pkcs11-spy.so")
    assert found(tmp_path, "darwin", **variables).spy.endswith("pkcs11-spy.so")


@pytest.mark.parametrize("drive", ["C", "D"])
def test_h3_softhsm2_for_windows_is_found_or_missed_in_words(tmp_path, drive):
    with pytest.raises(FileNotFoundError, match="IBHXH_TEST_LIBRARIES"):
        found(tmp_path, "win32")
    model = found(tmp_path, "win32", IBHXH_TEST_LIBRARIES="made")
    assert model.model and Path(model.softhsm) == Path("made/softhsm2.dll")
    chosen = {"IBHXH_TEST_LIBRARIES": "made", "IBHXH_TEST_TOKENS": "SoftHSM2"}
    with pytest.raises(FileNotFoundError):  # never the model instead
        found(tmp_path, "win32", **chosen)
    put(tmp_path, f"{drive}:/SoftHSM2/lib/softhsm2-x64.dll")
    assert not found(tmp_path, "win32", **chosen).model
