"""What `./run test` starts: pytest processes beside each other, each with a database or stack of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from . import database, odoo
from .console import say
from .paths import ADDON, ADDONS, PYTHON, ROOT, RUNTIME

TEST_SECONDS = 600
"""No test may run longer; a tour in both languages takes half a minute, on a very busy machine several."""

AT_ONCE = min(6, (os.cpu_count() or 1) + 2)
"""Processes beside each other: two more than processors, because much of their time passes with waiting."""

ENDING_SECONDS = 60
"""How long a process that is asked to end may take to stop what it started."""

CLOSING = re.compile(r"^=+ (.*\b(?:passed|failed|error|errors|deselected|no tests ran)\b.* in [\d.]+s.*?) =+$", re.M)
PROBLEMS = re.compile(r"^=+ (?:FAILURES|ERRORS) =+$", re.M)
COUNT = re.compile(r"(\d+) (passed|failed|errors?|subtests passed|subtests failed)\b")


@dataclass(frozen=True)
class Job:
    """One pytest process.

    :param name: for people, and for its log
    :param arguments: of pytest
    :param folder: where it runs
    :param coverage: what `--coverage` adds
    :param weight: seconds that it takes, roughly: the longest begin first
    :param has_database: whether it runs inside Odoo, on a fresh database with the addon
    :param has_browser: whether that has the web client's bundles
    """

    name: str
    suite: str
    arguments: tuple[str, ...]
    folder: Path
    coverage: tuple[str, ...] = ()
    weight: int = 0
    has_database: bool = False
    has_browser: bool = False

    @property
    def slug(self) -> str:
        """The name as part of a file's name."""
        return re.sub(r"\W+", "_", self.name)

    @property
    def coverage_file(self) -> Path:
        """Where its coverage is kept."""
        return RUNTIME / f".coverage-{self.suite}-{self.slug}"

    def measured(self) -> Job:
        """The same, with its coverage measured."""
        return replace(self, arguments=(*self.arguments, *self.coverage))

    @contextmanager
    def command(self) -> Iterator[list[str]]:
        """The command line, with what it needs meanwhile."""
        command = [str(PYTHON), "-m", "pytest", "-p", "no:cacheprovider", "-p", "dev.nothing_skipped"]
        command += [f"--timeout={TEST_SECONDS}", *self.arguments]
        if not self.has_database:
            # pytest-odoo wants a database as soon as it is loaded.
            yield [*command, "-p", "no:odoo"]
            return
        name = f"test_{self.slug}_{os.getpid()}"
        config = RUNTIME / f"odoo-{name}.conf"
        database.fresh(name)
        try:
            if self.has_browser:
                database.make_bundles(name)
            odoo.write_config(name, path=config, http_port=0)
            yield [*command, f"--odoo-config={config}", "--odoo-http"]
        finally:
            database.drop(name)
            config.unlink(missing_ok=True)

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables."""
        return {**odoo.environment(), "COVERAGE_FILE": str(self.coverage_file)}

    def run(self) -> int:
        """Run it on the terminal; returns pytest's exit code."""
        with self.command() as command:
            return subprocess.run(command, cwd=self.folder, env=self.environment, check=False).returncode


def addon(name: str, arguments: Sequence[str], *, weight: int = 0, has_browser: bool = False) -> Job:
    """Tests of the addon, those of tools/ that need no database included."""
    configuration = ROOT / "pyproject.toml"
    return Job(
        name,
        "addon",
        ("-c", str(configuration), f"--rootdir={ADDONS}", *arguments),
        ADDONS,
        coverage=(f"--cov={ADDONS / ADDON}", f"--cov-config={configuration}", "--cov-report="),
        weight=weight,
        has_database=True,
        has_browser=has_browser,
    )


def distribution(folder: str, package: str, arguments: Sequence[str], *, weight: int = 0) -> Job:
    """Tests of agent/ or sandbox/."""
    configuration = ROOT / "dev" / "coverage-programs.ini"
    coverage = (f"--cov={package}", f"--cov-config={configuration}", "--cov-report=")
    return Job(folder, folder, tuple(arguments), ROOT / folder, coverage=coverage, weight=weight)


def integration(name: str, arguments: Sequence[str], *, weight: int = 0) -> Job:
    """Tests of integration/, with a stack that bears the job's name."""
    folder = ROOT / "integration" / "tests"
    stack = re.sub(r"\W+", "_", name)
    options = ("-ra", "--import-mode=importlib", f"--rootdir={folder}", f"--confcutdir={folder}", f"--stack={stack}")
    return Job(name, "integration", (*options, *arguments), folder, weight=weight)


class _Running:
    """A job that writes into its log."""

    def __init__(self, job: Job, logs: Path) -> None:
        self.job = job
        self.log = logs / f"test-{job.slug}.log"
        self._exit = ExitStack()
        command = self._exit.enter_context(job.command())
        with self.log.open("wb") as output:
            # In a session of its own: Ctrl-C reaches this process only, which ends the others in order.
            self._process = subprocess.Popen(
                command,
                cwd=job.folder,
                env=job.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def code(self) -> int | None:
        """pytest's exit code; None while it runs."""
        return self._process.poll()

    def interrupt(self) -> None:
        """Ask it to end as Ctrl-C does: pytest tears its fixtures down, and with them the programs of a stack."""
        self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """Wait for its end, end it when that does not come soon, and drop its database."""
        try:
            self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        finally:
            self._exit.close()

    def report(self) -> str:
        """Its closing line, after its failures when there are any; say it once it has ended."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        closing = next(iter(reversed(CLOSING.findall(text))), "ended without a closing line")
        line = f"{self.job.name}: {closing}"
        if self.code() == 0:
            return line
        begin = PROBLEMS.search(text)
        shown = text[begin.start() :] if begin else "\n".join(text.splitlines()[-60:])
        return f"\n{shown.rstrip()}\n\n{line}   FAILED ({self.code()}), see {self.log.relative_to(ROOT)}\n"


def run_all(found: Sequence[Job], logs: Path) -> int:
    """Run jobs beside each other, the longest first.

    :param logs: a folder; each job writes to `test-<job>.log` there
    :return: 0 when all passed, else the code of the first in `found` that did not
    """
    # SIGTERM is like Ctrl-C: everything is stopped in order.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    logs.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    if sum(job.has_database or job.suite == "integration" for job in found) > 1:
        database.installed()
    waiting = sorted(found, key=lambda job: -job.weight)
    running: list[_Running] = []
    codes: dict[str, int] = {}
    counts: dict[str, Counter[str]] = {job.suite: Counter() for job in found}
    say(f"{len(found)} jobs, {AT_ONCE} beside each other; output in {logs.relative_to(ROOT)}/test-*.log")
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(_Running(waiting.pop(0), logs))
            time.sleep(0.2)
            for one in [one for one in running if one.code() is not None]:
                running.remove(one)
                one.close()
                codes[one.job.name] = one.code() or 0
                report = one.report()
                say(report)
                for number, what in COUNT.findall(report.splitlines()[-1]):
                    counts[one.job.suite][what] += int(number)
    finally:
        for one in running:
            one.interrupt()
        for one in running:
            one.close()
    say("")
    for suite, count in counts.items():
        failed = [job.name for job in found if job.suite == suite and codes[job.name]]
        verdict = f"FAILED ({', '.join(failed)})" if failed else "passed"
        numbers = ", ".join(f"{number} {what}" for what, number in count.items())
        say(f"{suite}: {verdict}: {numbers or 'no tests ran'}")
    spent = os.times()
    say(
        f"{time.monotonic() - started:.0f} s; the processor's: {spent.children_user + spent.children_system:.0f} s"
        " and PostgreSQL's"
    )
    return next((codes[job.name] for job in found if codes[job.name]), 0)


def report_coverage(found: Sequence[Job]) -> None:
    """Print what the measured jobs have covered, by suite."""
    for suite in dict.fromkeys(job.suite for job in found if job.coverage):
        files = [str(job.coverage_file) for job in found if job.suite == suite]
        target = RUNTIME / f".coverage-{suite}"
        coverage = [str(PYTHON), "-m", "coverage"]
        say(f"\n=== coverage: {suite} ===")
        subprocess.run([*coverage, "combine", "-q", f"--data-file={target}", *files], cwd=ROOT, check=False)
        options = [f"--data-file={target}", "--skip-covered"]
        subprocess.run([*coverage, "report", *options], cwd=ROOT, check=False)
