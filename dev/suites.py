"""`./run test`: all suites side by side, each one's closing line on the terminal as it ends, one exit code."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from . import jobs
from .console import Problem, say
from .jobs import Job
from .paths import ADDON, ADDONS, LOGS, ROOT

INTEGRATION = ROOT / "integration" / "tests"
SHARDS = 5
"""Into how many parts the addon's tests are cut, each on a database of its own, besides the one with the browser."""

BROWSER = ("test_tours.py", "test_hoot.py", "test_calls.py")
"""The addon's tests in Chromium: a minute each, whatever the size of their files."""

TOGETHER = (("kills", "agents"), ("gateway", "mail", "people", "secrets", "upgrade"), ("jobs",), ("hosts",))
"""The folders of integration/tests, by the stack that they share when all of them are run."""

SECONDS = {"phone": 400, "kills agents": 250, "gateway mail people secrets upgrade": 240, "jobs": 130, "hosts": 70}
"""What they took beside others on two processors: the longest begin first, so that none is left over at the end."""

APART = ("windows",)
"""Folders of integration/tests that run only when they are named: a Windows is made first, and the program built on it,
which takes half an hour."""

QUICK_ADDON = (
    "test_access.py",
    "test_agent_api.py",
    "test_certificate.py",
    "test_registration.py",
    "test_sending.py",
    "test_signing_service.py",
    "test_wizard.py",
)
"""What `./run test quick` runs of the addon's tests with a database, besides all of those of tools/."""

QUICK_AGENT = (
    "test_batch.py",
    "test_certificate.py",
    "test_client.py",
    "test_discovery.py",
    "test_document.py",
    "test_outbox.py",
    "test_prompts.py",
    "test_runner.py",
    "test_signed_is_shown.py",
)
QUICK_SANDBOX = ("test_documents.py", "test_faults.py", "test_mails.py", "test_portal.py", "test_registration.py")


def _folders() -> list[str]:
    return sorted(folder.name for folder in INTEGRATION.iterdir() if any(folder.glob("test_*.py")))


def _addon_tests() -> list[str]:
    return sorted(file.name for file in (ROOT / "tests").glob("test_*.py"))


def _addon(name: str, files: Iterable[str], *, weight: int, has_browser: bool = False) -> Job:
    return jobs.addon(name, [f"{ADDON}/tests/{file}" for file in files], weight=weight, has_browser=has_browser)


def _shards() -> list[Job]:
    """The addon's tests in parts of about the same size; every file is in one of them."""
    parts: list[list[str]] = [[] for _shard in range(SHARDS)]
    sizes = [0] * SHARDS
    files = [file for file in _addon_tests() if file not in BROWSER]
    for file in sorted(files, key=lambda name: -(ROOT / "tests" / name).stat().st_size):
        smallest = sizes.index(min(sizes))
        parts[smallest].append(file)
        sizes[smallest] += (ROOT / "tests" / file).stat().st_size
    shards = [_addon(f"addon {number}", part, weight=100) for number, part in enumerate(parts, 1)]
    return [_addon("addon in the browser", BROWSER, weight=160, has_browser=True), *shards]


def _suite(name: str) -> list[Job]:
    """The jobs that are all of a suite."""
    if name == "addon":
        return _shards()
    if name == "agent":
        return [jobs.distribution("agent", "ibhxh_agent", ["tests"], weight=260)]
    if name == "sandbox":
        return [jobs.distribution("sandbox", "ibhxh_sandbox", ["tests"], weight=70)]
    if name == "integration":
        together = [folder for group in TOGETHER for folder in group]
        groups = [*TOGETHER, *((folder,) for folder in _folders() if folder not in (*together, *APART))]
        return [jobs.integration(name := " ".join(group), group, weight=SECONDS.get(name, 100)) for group in groups]
    return [jobs.integration(name, [name])]


def _quick() -> list[Job]:
    tools = [file for file in _addon_tests() if file.startswith("test_tools_")]
    return [
        _addon("addon", [*tools, *QUICK_ADDON], weight=100),
        jobs.distribution("agent", "ibhxh_agent", [f"tests/{file}" for file in QUICK_AGENT], weight=50),
        jobs.distribution("sandbox", "ibhxh_sandbox", [f"tests/{file}" for file in QUICK_SANDBOX], weight=50),
    ]


def _single(name: str, arguments: list[str]) -> Job:
    """A suite with pytest's arguments, in one process."""
    if name == "addon":
        return jobs.addon(name, _with_targets(arguments, ADDONS, f"{ADDON}/tests"))
    if name in ("agent", "sandbox"):
        return jobs.distribution(name, f"ibhxh_{name}", _with_targets(arguments, ROOT / name, "tests"))
    folders = [folder for folder in _folders() if folder not in APART] if name == "integration" else [name]
    return jobs.integration(name, _with_targets(arguments, INTEGRATION, *folders))


def _with_targets(arguments: list[str], folder: Path, *default: str) -> list[str]:
    """The arguments, and the suite's own folders unless they name files or folders of it.

    A folder is always named: pytest then fails when it is missing, instead of finding no test.
    """
    named = any((folder / argument.split("::")[0]).exists() for argument in arguments if not argument.startswith("-"))
    return arguments if named else [*arguments, *default]


def run(arguments: list[str]) -> int:
    """Run the suites that are named (all when none is), giving them the other arguments.

    One process writes to the terminal as it goes on; several run side by side, write into .runtime/logs, and leave
    their closing lines on the terminal.

    :return: 0 when every suite passed, else the code of the first that did not
    """
    suites = ["addon", "agent", "sandbox", "integration"]
    known = ["quick", *suites, *_folders()]
    names = []
    rest = list(arguments)
    while rest and rest[0] in known:
        names.append(rest.pop(0))
    if coverage := "--coverage" in rest:
        rest.remove("--coverage")
    if not names and rest and not rest[0].startswith("-"):
        raise Problem(
            f"There is no test suite {rest[0]!r}.", f"Suites: {' '.join(known)}; pytest's arguments come after them."
        )
    if "quick" in names and (len(names) > 1 or rest):
        raise Problem("`quick` is a selection of its own.", "./run test quick")
    if names == ["quick"]:
        found = _quick()
    elif rest:
        found = [_single(name, rest) for name in names or suites]
    else:
        found = [job for name in names or suites for job in _suite(name)]
    if coverage:
        found = [job.measured() for job in found]
    if len(found) == 1:
        say(f"\n=== tests: {found[0].name} ===")
        code = found[0].run()
        say(f"\n{found[0].name}: {'passed' if code == 0 else f'FAILED ({code})'}")
    else:
        code = jobs.run_all(found, LOGS)
    if coverage:
        jobs.report_coverage(found)
    return code
