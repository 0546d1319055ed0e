"""The installer where something is in its way: files that others hold, two at once, what an earlier one left.

It is the real one. In the place of the program it carries a small one that notes with what it was called.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from dev.paths import ROOT
from dev.setup import windows
from integration.waiting import until
from integration.windows import WindowsComputer

HOLDER = ROOT / "integration" / "windows_holder.py"
SHELL = ROOT / "integration" / "windows_shell.py"
STAND_IN = Path(__file__).with_name("stand_in.c")
OLD, NEW = "19.0.2.0.8", "19.0.2.0.10"
APPS = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\ibhxh-agent"
RUN = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Run"
DONE, FAILED, ANOTHER_RUNS, OLDER, ADMINISTRATOR = 0, 2, 3, 4, 5
LONGER_THAN_IT_TRIES = 60


class Account:
    """One account of Windows, and the installers of two versions.

    :param installers: by their version
    """

    def __init__(self, pc: WindowsComputer, installers: dict[str, Path], calls: Path) -> None:
        self.pc = pc
        self._installers = installers
        self._calls = calls
        self.variables = {"IBHXH_STAND_IN": pc.path(calls)}

    @property
    def home(self) -> Path:
        """Of the program."""
        return self.pc.local / "Programs" / "ibhxh-agent"

    @property
    def new(self) -> Path:
        """Where an installer unpacks."""
        return self.home.with_name("ibhxh-agent.new")

    @property
    def old(self) -> Path:
        """Where it keeps the version before for a moment."""
        return self.home.with_name("ibhxh-agent.old")

    @property
    def settings(self) -> Path:
        """The program's."""
        return self.pc.local / "ibhxh-agent"

    @property
    def left(self) -> list[str]:
        """What is there of it."""
        return [path.name for path in (self.home, self.new, self.old, self.settings) if path.exists()]

    @property
    def version(self) -> str:
        """Of the program that is installed, and is there whole."""
        names = ["ibhxh-agent-cli.exe", "ibhxh-agent.exe", "uninstall.exe", "version.txt"]
        assert sorted(path.name for path in self.home.iterdir() if path.is_file()) == names
        assert (self.home / "_internal" / "content").stat().st_size == 2**21
        return (self.home / "version.txt").read_text(encoding="utf-8")

    def install(self, version: str = NEW) -> int:
        """Silently; its exit code."""
        return self.pc.run(str(self._installers[version]), "/S", variables=self.variables).code

    def install_as_a_person(self) -> int:
        """Silently, by somebody who is no administrator at the moment; its exit code."""
        command = [self.pc.python, self.pc.path(SHELL), self.pc.path(self._installers[NEW]), "/S"]
        return self.pc.run(*command, variables=self.variables).code

    def begin(self, version: str = NEW) -> subprocess.Popen[bytes]:
        """Silently; it goes on."""
        return self.pc.start(str(self._installers[version]), "/S", variables=self.variables)

    def uninstall(self, folder: Path | None = None) -> int:
        """Silently, to its end, and its exit code: what ``uninstall.exe`` starts is a copy of itself, as here."""
        folder = folder or self.home
        copy = self._calls.with_name("uninstaller.exe")
        shutil.copy(folder / "uninstall.exe", copy)
        return self.pc.run(str(copy), "/S", f"_?={self._windows(folder)}", variables=self.variables).code

    def await_calls(self, *calls: str) -> None:
        """With what the program was called since this was asked last; an installer does not wait for what it starts."""

        def called() -> bool:
            return self.has_calls and self._calls.read_text(encoding="utf-8").split("\n")[:-1] == list(calls)

        until(f"the calls {calls}", called, 30)
        self._calls.unlink()

    @property
    def has_calls(self) -> bool:
        """The program was called since it was asked last with what."""
        return self._calls.exists()

    def value(self, key: str, name: str) -> str:
        """Of the registry; empty where it is not."""
        found = self.pc.run("reg", "query", key, "/v", name).output.strip().split("REG_SZ")
        return found[1].strip() if len(found) > 1 else ""

    def keyring(self, call: str) -> str:
        """Of the Credential Manager."""
        return self.pc.run(self.pc.python, "-c", f"import keyring; print(keyring.{call})").output.strip()

    @contextmanager
    def held(self, path: Path, seconds: int) -> Iterator[None]:
        """Another program has it open for so long, from the moment when it is there."""
        name = self.pc.path(path.parent) + "\\" + path.name
        holder = self.pc.start(self.pc.python, self.pc.path(HOLDER), str(seconds), name)
        assert holder.stdout is not None
        expected = [b"ready", b"held"] if path.exists() else [b"ready"]
        assert [holder.stdout.readline().strip() for _line in expected] == expected
        try:
            yield
        finally:
            self.pc.end(holder)

    @contextmanager
    def desktop(self) -> Iterator[None]:
        """The person who is signed in is no administrator at the moment."""
        shell = self.pc.start(self.pc.python, self.pc.path(SHELL))
        assert shell.stdout is not None and shell.stdout.readline().strip() == b"ready"
        try:
            yield
        finally:
            self.pc.end(shell)

    def _windows(self, path: Path) -> str:
        return "C:" + str(path).removeprefix(str(windows.PREFIX / "drive_c")).replace("/", "\\")


@pytest.fixture(scope="module")
def installers(pc: WindowsComputer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Of the stand-in, in two versions."""
    folder = tmp_path_factory.mktemp("alone")
    program = folder / "stand_in.exe"
    subprocess.run([windows.COMPILER, "-municode", "-O1", "-s", "-o", program, STAND_IN], check=True)
    maker = _maker()
    made = {}
    for version in (OLD, NEW):
        built = folder / version
        (built / "_internal").mkdir(parents=True)
        (built / "_internal" / "content").write_bytes(os.urandom(2**21))
        (built / "version.txt").write_text(version, encoding="utf-8")
        for name in maker.PROGRAMS:
            shutil.copy(program, built / name)
        made[version] = maker.make(built, folder, version)
    return made


@pytest.fixture
def account(pc: WindowsComputer, installers: dict[str, Path], tmp_path: Path) -> Iterator[Account]:
    """Without the program, before and afterwards."""
    one = Account(pc, installers, tmp_path / "calls.txt")
    assert not one.left
    yield one
    for path in (one.home, one.new, one.old, one.settings):
        shutil.rmtree(path, ignore_errors=True)
    pc.run("reg", "delete", APPS, "/f")
    pc.run("reg", "delete", RUN, "/v", "ibhxh-agent", "/f")


def _maker() -> ModuleType:
    """agent/packaging/installer.py, which is no part of a package."""
    path = ROOT / "agent" / "packaging" / "installer.py"
    specification = importlib.util.spec_from_file_location("windows_installer", path)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_h4_a_first_installation_waits_for_a_scanner(account: Account) -> None:
    """What was written a moment ago is what scanners look at."""
    with account.held(account.new, 4):
        assert account.install() == DONE
    assert account.version == NEW and account.left == ["ibhxh-agent"]


def test_h4_a_first_installation_that_is_held_for_good_leaves_no_program(account: Account) -> None:
    with account.held(account.new, LONGER_THAN_IT_TRIES):
        assert account.install() == FAILED
        assert not account.home.exists() and not account.value(APPS, "DisplayName")
    assert account.install() == DONE  # over what the first one could not remove
    assert account.version == NEW and account.left == ["ibhxh-agent"]


def test_h4_an_upgrade_waits_for_a_scanner(account: Account) -> None:
    assert account.install(OLD) == DONE
    with account.held(account.home, 4), account.held(account.new, 6):
        assert account.install() == DONE
    assert account.version == NEW and account.left == ["ibhxh-agent"]


@pytest.mark.parametrize("held", ["home", "new"])
def test_h4_an_upgrade_that_is_held_for_good_leaves_the_old_version(account: Account, held: str) -> None:
    assert account.install(OLD) == DONE
    account.await_calls("ibhxh-agent.exe start")
    with account.held(getattr(account, held), LONGER_THAN_IT_TRIES):
        assert account.install() == FAILED
    assert account.version == OLD and account.value(APPS, "DisplayVersion") == OLD
    assert not account.old.exists()
    account.await_calls("ibhxh-agent-cli.exe stop", "ibhxh-agent.exe start")


def test_h5_a_second_installer_leaves_the_first_ones_files_alone(account: Account) -> None:
    assert account.install(OLD) == DONE
    with account.held(account.home, 8), account.held(account.new, 12):
        first = account.begin()
        until("an unpacked program", lambda: (account.new / "uninstall.exe").exists())
        second = account.begin()
        assert account.uninstall() == ANOTHER_RUNS
        assert second.wait(60) == ANOTHER_RUNS
        assert first.wait(60) == DONE
    assert account.version == NEW and account.left == ["ibhxh-agent"]


def test_h5_an_installer_waits_for_an_uninstaller_that_is_about_to_end(account: Account) -> None:
    """Its caller does not know of its end: it goes on in a copy of itself."""
    assert account.install() == DONE
    with account.held(account.home / "version.txt", 3):
        account.pc.start(str(account.home / "uninstall.exe"), "/S", variables=account.variables)
        until("its work", lambda: not account.home.exists())
        assert account.install() == DONE
    assert account.version == NEW and account.value(APPS, "DisplayVersion") == NEW


def test_h6_an_uninstallation_waits_for_a_scanner(account: Account) -> None:
    assert account.install() == DONE
    with account.held(account.home, 3), account.held(account.home / "version.txt", 5):
        assert account.uninstall() == DONE
    assert account.left == [] and not account.value(APPS, "DisplayName")


def test_h6_a_program_that_is_held_for_good_stays_whole(account: Account) -> None:
    assert account.install() == DONE
    with account.held(account.home, LONGER_THAN_IT_TRIES):
        assert account.uninstall() == FAILED
    assert account.version == NEW and account.left == ["ibhxh-agent"]
    assert account.value(APPS, "DisplayName") and account.value(RUN, "ibhxh-agent")


def test_h6_what_could_not_be_removed_can_be_removed_later(account: Account) -> None:
    """Its entry in Apps stays until nothing else is left."""
    assert account.install() == DONE
    with account.held(account.home / "_internal" / "content", LONGER_THAN_IT_TRIES):
        assert account.uninstall() == FAILED
        assert account.value(APPS, "UninstallString") and account.left
    assert account.uninstall() == DONE
    assert account.left == [] and not account.value(APPS, "DisplayName") and not account.value(RUN, "ibhxh-agent")


def test_h6_what_earlier_installers_left_goes_too(account: Account) -> None:
    assert account.install() == DONE
    for folder in (account.new, account.old):
        (folder / "_internal").mkdir(parents=True)
    assert account.uninstall() == DONE
    assert account.left == []


@pytest.mark.parametrize("command", ["install", "uninstall"])
def test_h6_a_program_that_does_not_end_is_left_alone(account: Account, command: str) -> None:
    """Its lock is what it has open until it ends."""
    assert account.install() == DONE
    account.settings.mkdir()
    (account.settings / "program.lock").touch()
    with account.held(account.settings / "program.lock", LONGER_THAN_IT_TRIES):
        assert getattr(account, command)() == FAILED
    assert account.version == NEW and account.value(APPS, "DisplayName")


def test_h6_a_program_that_a_scanner_took_a_file_from_can_be_removed(account: Account) -> None:
    assert account.install() == DONE
    account.await_calls("ibhxh-agent.exe start")
    (account.home / "ibhxh-agent-cli.exe").unlink()
    assert account.uninstall() == DONE
    account.await_calls("ibhxh-agent.exe stop", "ibhxh-agent.exe forget")
    assert account.left == []


def test_h6_so_can_one_that_nothing_is_left_of_to_be_asked(account: Account) -> None:
    """Odoo's key goes all the same."""
    assert account.install() == DONE
    account.keyring("set_password('ibhxh-agent', 'a-computer', 'its key')")
    account.settings.mkdir()
    for program in account.home.glob("ibhxh-agent*.exe"):
        program.unlink()
    assert account.uninstall() == DONE
    assert account.left == [] and account.keyring("get_password('ibhxh-agent', 'a-computer')") == "None"


def test_h6_a_folder_that_is_not_the_programs_is_never_removed(account: Account, tmp_path: Path) -> None:
    assert account.install() == DONE
    other = account.home.with_name("another-program")
    other.mkdir()
    try:
        shutil.copy(account.home / "uninstall.exe", other)
        assert account.uninstall(other) == FAILED
        assert (other / "uninstall.exe").exists() and account.version == NEW
    finally:
        shutil.rmtree(other)


def test_h4_an_old_version_is_put_back_after_the_computer_went_off(account: Account) -> None:
    """Between the two steps of an upgrade."""
    assert account.install(OLD) == DONE
    account.home.rename(account.old)
    account.new.mkdir()
    with account.held(account.new, LONGER_THAN_IT_TRIES):
        assert account.install() == FAILED
    assert account.version == OLD
    account.home.rename(account.old)
    assert account.install() == DONE
    assert account.version == NEW and account.left == ["ibhxh-agent"]


def test_h18_an_older_installer_does_not_replace_a_newer_program(account: Account) -> None:
    assert account.install() == DONE
    account.await_calls("ibhxh-agent.exe start")
    assert account.install(OLD) == OLDER
    assert account.version == NEW and account.value(APPS, "DisplayVersion") == NEW
    assert not account.has_calls  # the program was not even ended
    assert account.install() == DONE  # the same version: what repairs a damaged one
    assert account.uninstall() == DONE
    assert account.install(OLD) == DONE
    assert account.version == OLD


def test_h15_a_start_as_administrator_is_refused(account: Account) -> None:
    """The program would run where the person's browser cannot reach it, or in the administrator's own account."""
    with account.desktop():
        assert account.install() == ADMINISTRATOR
        assert account.left == [] and not account.has_calls
        assert account.install_as_a_person() == DONE
        assert account.version == NEW
        assert account.uninstall() == ADMINISTRATOR
        assert account.version == NEW


def test_h23_it_works_in_an_account_with_a_vietnamese_name(account: Account) -> None:
    with account.pc.account("Nguyễn Văn Á"):
        assert account.install(OLD) == DONE and account.version == OLD
        account.await_calls("ibhxh-agent.exe start")
        assert account.install() == DONE and account.version == NEW
        account.await_calls("ibhxh-agent-cli.exe stop", "ibhxh-agent.exe start")
        account.settings.mkdir()
        account.pc.run(str(account.home / "uninstall.exe"), "/S", variables=account.variables)
        until("an empty account", lambda: not account.left and not account.value(APPS, "DisplayName"))
        account.await_calls("ibhxh-agent-cli.exe stop", "ibhxh-agent-cli.exe forget")
    assert not account.left
