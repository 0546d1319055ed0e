"""A Windows computer: Wine with the agent's interpreter, on a screen that nobody sees.

    with WindowsComputer(folder) as pc:
        done = pc.run(pc.python, "-m", "ibhxh_agent", "doctor")       # a Windows program, to its end
        program = pc.start(pc.exe, "start")                          # one that goes on: an ordinary Popen
        box = pc.await_window("ibhxh-agent")                         # where a window is, by its title
        pc.press("Alt+k"); pc.type("7319")                           # keys, into the window that has the keyboard
        pc.picture(box)

What of Windows is not there is named in docs/windows-checklist.md.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from cryptography.hazmat.primitives.asymmetric import rsa
from PIL import Image, ImageGrab

from dev.paths import PYTHON, ROOT
from dev.screen import LAPTOP, virtual_screen
from dev.setup import windows
from integration.ca import CertificateAuthority
from integration.waiting import until

EYES = ROOT / "integration" / "windows_eyes.py"
LIBRARIES = ROOT / "agent" / "tests" / "helpers" / "windows_libraries.py"

PIN = "Pin-7319"
"""Of every :class:`WindowsToken`."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels of the screen."""


@dataclass(frozen=True)
class Ended:
    """A program that came to its end.

    :param output: both streams
    """

    code: int
    output: str


class WindowsComputer:
    """Runs while it is entered; everything that it started ends with it."""

    def __init__(self, folder: Path) -> None:
        """:param folder: for what tests need; PKCS#11 libraries are built there"""
        self.folder = folder
        self.environment: dict[str, str] = {}
        self._exit = ExitStack()
        self._eyes: subprocess.Popen[str] | None = None
        self._person = pwd.getpwuid(os.getuid()).pw_name

    def __enter__(self) -> WindowsComputer:
        windows.install()
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            display = self._exit.enter_context(virtual_screen())
            self.environment = dict(self._exit.enter_context(windows.running(display)))
            self.environment["PYTHONPATH"] = self.path(ROOT / "agent")
            # A program that has to compile all that it imports takes twice as long to start.
            self.environment["PYTHONPYCACHEPREFIX"] = self.path(self.folder / "compiled")
            self.environment["IBHXH_TEST_LIBRARIES"] = self.path(self.folder)
            self._build_libraries()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_eyes()
        self._exit.close()

    @property
    def python(self) -> str:
        """CPython for Windows."""
        return str(windows.WINDOWS_PYTHON)

    @property
    def local(self) -> Path:
        """%LOCALAPPDATA%."""
        return self._profile / "AppData" / "Local"

    @property
    def _profile(self) -> Path:
        return windows.PREFIX / "drive_c" / "users" / self._person

    @contextmanager
    def account(self, name: str) -> Iterator[None]:
        """Meanwhile, programs that start have the folders of an account with this name; they go with it."""
        before, self._person = self._person, name
        for folder in (self.local, self._profile / "Temp", self._profile / "AppData" / "Roaming"):
            folder.mkdir(parents=True)
        try:
            self._use_account(name)
            yield
        finally:
            shutil.rmtree(self._profile)
            self._person = before
            self._use_account(before)

    def _use_account(self, name: str) -> None:
        """Where Windows says where a person's folders are: to programs that ask it, and in their environment."""
        home = rf"C:\users\{name}"
        local, roaming = rf"{home}\AppData\Local", rf"{home}\AppData\Roaming"
        shell = r"Software\Microsoft\Windows\CurrentVersion\Explorer\User Shell Folders"
        menu = rf"{roaming}\Microsoft\Windows\Start Menu\Programs"
        lines = ["Windows Registry Editor Version 5.00"]
        for key, values in {
            "Volatile Environment": {"USERPROFILE": home, "LOCALAPPDATA": local, "APPDATA": roaming},
            "Environment": {"TEMP": rf"{home}\Temp", "TMP": rf"{home}\Temp"},
            shell: {"Local AppData": local, "AppData": roaming, "Programs": menu},
        }.items():
            lines.append(rf"[HKEY_CURRENT_USER\{key}]")
            lines += [f'"{field}"="{value}"'.replace("\\", r"\\") for field, value in values.items()]
        change = self.folder / "account.reg"
        change.write_text("\r\n".join([*lines, ""]), encoding="utf-16")
        assert self.run("reg", "import", self.path(change)).code == 0

    @property
    def system_folder(self) -> Path:
        """System32."""
        return windows.PREFIX / "drive_c" / "windows" / "system32"

    @property
    def size(self) -> tuple[int, int]:
        """Of the screen, in pixels."""
        width, height, _depth = LAPTOP.split("x")
        return int(width), int(height)

    @staticmethod
    def path(path: Path) -> str:
        """A path of this machine as Windows programs have it."""
        return windows.path_for(path)

    def _build_libraries(self) -> None:
        """The tests' PKCS#11 libraries."""
        command = [str(PYTHON), str(LIBRARIES), str(self.folder), windows.COMPILER]
        subprocess.run(command, check=True)

    def run(
        self, *command: str, seconds: float = 300, cwd: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> Ended:
        """Run a Windows program to its end.

        :raises NotObserved: it took longer
        """
        program = self.start(*command, cwd=cwd, variables=variables)
        try:
            output = self.listen(program, seconds)
        except BaseException:
            program.kill()
            raise
        return Ended(program.wait(), output)

    def start(
        self, *command: str, cwd: Path | None = None, variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a Windows program that goes on."""
        return subprocess.Popen(
            ["wine", *command],
            env={**self.environment, **(variables or {})},
            cwd=cwd or self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def listen(self, program: subprocess.Popen[bytes], seconds: float, log: Path | None = None) -> str:
        """What a program says until it ends.

        It is not waited for the end of its output: Wine's console, which is a process of its own, sometimes stays and
        keeps that open for ever.

        :param log: written meanwhile, with the same
        :raises NotObserved: it took longer
        """
        assert program.stdout is not None
        output = program.stdout
        os.set_blocking(output.fileno(), False)
        said = bytearray()
        with (log or Path(os.devnull)).open("wb", buffering=0) as copy:

            def has_ended() -> bool:
                ended = program.poll() is not None  # before the last look: then nothing more comes
                while piece := output.read():
                    said.extend(piece)
                    copy.write(piece)
                return ended

            until(f"the end of {program.args!r}", has_ended, seconds, pause=0.05)
        return said.decode("utf-8", "replace")

    def end(self, program: subprocess.Popen[bytes]) -> str:
        """End a program that was started, as a crash does; what it said."""
        program.kill()
        return self.listen(program, 60)

    def end_session(self) -> None:
        """Shut the computer down as far as a person's programs are concerned: each is asked, told, and then ended.

        :raises NotObserved: a program keeps it waiting
        """
        self._close_eyes()
        assert self.run("wineboot", "--end-session", "--shutdown", seconds=60).code == 0

    def log_in(self, variables: Mapping[str, str]) -> None:
        """Begin a session: what starts at login does, with these variables."""
        assert self.run("wineboot", variables=variables).code == 0

    # -- hands -------------------------------------------------------------------------------------------------------

    def _xdotool(self, *command: str) -> str:
        done = subprocess.run(["xdotool", *command], env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def type(self, text: str) -> None:
        """Type into what has the keyboard."""
        self._xdotool("type", "--delay", "30", text)

    def press(self, *keys: str) -> None:
        """Press keys, by xdotool's names: `alt+m`, `Return`."""
        self._xdotool("key", "--delay", "30", *keys)

    def click(self, x: int, y: int) -> None:
        """Click there on the screen."""
        self._xdotool("mousemove", str(x), str(y), "click", "1")

    def click_on(self, box: Box) -> None:
        """Put a window in front: by its edge, where nothing is. Its title would begin to be moved."""
        self.click(box[0] + 14, box[3] - 14)

    # -- eyes --------------------------------------------------------------------------------------------------------

    @contextmanager
    def taskbar(self) -> Iterator[None]:
        """Meanwhile, programs that start have title bars, a taskbar, and icons and notifications beside the clock.

        Not for keys with Alt: in a window with a title bar Wine then waits for an entry of its menu.
        """
        key = r"HKCU\Software\Wine\Explorer"
        self.run("reg", "add", key, "/v", "Desktop", "/d", "shell", "/f")
        self._close_eyes()  # they see the desktop that they were started on
        try:
            yield
        finally:
            self.run("reg", "delete", key, "/v", "Desktop", "/f")
            self._close_eyes()

    def _close_eyes(self) -> None:
        if self._eyes is not None:
            self._eyes.kill()
            self._eyes.communicate()
            self._eyes = None

    def window(self, title: str = "", kind: str = "") -> Box | None:
        """Where a visible window is, if there is one.

        :param title: a part of its title
        :param kind: instead, the name of its class
        """
        if self._eyes is None or self._eyes.poll() is not None:
            self._eyes = subprocess.Popen(
                ["wine", self.python, self.path(EYES)],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self._eyes.stdin is not None and self._eyes.stdout is not None
        self._eyes.stdin.write(json.dumps({"title": title, "class": kind}) + "\n")
        self._eyes.stdin.flush()
        found = json.loads(self._eyes.stdout.readline())
        return (found[0], found[1], found[2], found[3]) if found else None

    def await_window(self, title: str = "", kind: str = "", seconds: float = 180) -> Box:
        """Wait for a window; where it is."""
        return until(f"the window {title or kind}", lambda: self.window(title, kind), seconds)

    def await_no_window(self, title: str, seconds: float = 180) -> None:
        """Wait until a window is gone."""
        until(f"the end of the window {title}", lambda: self.window(title) is None, seconds)

    def picture(self, box: Box | None = None) -> Image.Image:
        """The screen, or a part of it."""
        return ImageGrab.grab(bbox=box, xdisplay=self.environment["DISPLAY"])


class WindowsToken:
    """A token of the tests' PKCS#11 library, with the structures of Windows: one certificate of one company."""

    def __init__(self, folder: Path, pc: WindowsComputer, tax_code: str, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.certificate = CertificateAuthority().issue(key.public_key(), tax_code=tax_code, name=name)
        (folder / "certificate.der").write_bytes(self.certificate)
        self.log = folder / "logins.log"
        self.log.touch()
        numbers = key.private_numbers()
        settings = {
            "cert": pc.path(folder / "certificate.der"),
            "n": f"{numbers.public_numbers.n:x}",
            "d": f"{numbers.d:x}",
            "pin": PIN,
            "log": pc.path(self.log),
        }
        config = folder / "fakep11.conf"
        config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), encoding="utf-8")
        self.environment = {"FAKEP11": pc.path(config)}

    def logins(self) -> list[str]:
        """One line for each C_Login."""
        return [line for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("login")]


@dataclass(frozen=True)
class Releases:
    """Two versions that know the key of these tests, and what the makers publish beside the newer one's installer."""

    older: Path
    older_version: str
    newer: Path
    newer_version: str
    document: str
