"""A Windows computer: Wine with the agent's interpreter, on a screen that nobody sees.

    with WindowsComputer(folder) as pc:
        done = pc.run(pc.python, "-m", "ibhxh_agent", "doctor")       # a Windows program, to its end
        program = pc.start(pc.exe, "start")                          # one that goes on: an ordinary Popen
        pc.press("Alt+k"); pc.type("7319")                           # keys, into the window that has the keyboard

What of Windows is not there is named in docs/windows-checklist.md.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from PIL import ImageGrab

from dev.paths import PYTHON, ROOT
from dev.screen import LAPTOP, virtual_screen
from dev.setup import windows

LIBRARIES = ROOT / "agent" / "tests" / "helpers" / "windows_libraries.py"


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

    def __enter__(self) -> WindowsComputer:
        windows.install()
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            display = self._exit.enter_context(virtual_screen())
            self.environment = dict(self._exit.enter_context(windows.running(display)))
            self.environment["PYTHONPATH"] = self.path(ROOT / "agent")
            self.environment["PYTHONDONTWRITEBYTECODE"] = "1"
            self.environment["IBHXH_TEST_LIBRARIES"] = self.path(self.folder)
            self._build_libraries()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    @property
    def python(self) -> str:
        """CPython for Windows."""
        return str(windows.WINDOWS_PYTHON)

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
        self,
        *command: str,
        seconds: float = 300,
        cwd: Path | None = None,
        stdin: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> Ended:
        """Run a Windows program to its end.

        :raises subprocess.TimeoutExpired: it took longer
        """
        done = subprocess.run(
            ["wine", *command],
            env={**self.environment, **(variables or {})},
            cwd=cwd or self.folder,
            input=stdin.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode("utf-8", "replace"))

    def start(self, *command: str, variables: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start a Windows program that goes on."""
        return subprocess.Popen(
            ["wine", *command],
            env={**self.environment, **(variables or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def end(self, program: subprocess.Popen[bytes]) -> str:
        """End a program that was started, and its children with it; what it said."""
        program.kill()
        return program.communicate(timeout=60)[0].decode("utf-8", "replace")

    # -- hands -------------------------------------------------------------------------------------------------------

    def _xdotool(self, *command: str) -> str:
        done = subprocess.run(["xdotool", *command], env=self.environment, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def windows(self, title: str) -> list[str]:
        """X's numbers of the visible windows with this in their title."""
        return self._xdotool("search", "--onlyvisible", "--name", title).split()

    def type(self, text: str) -> None:
        """Type into what has the keyboard."""
        self._xdotool("type", "--delay", "30", text)

    def press(self, *keys: str) -> None:
        """Press keys, by xdotool's names: `alt+m`, `Return`."""
        self._xdotool("key", "--delay", "30", *keys)

    def click(self, x: int, y: int) -> None:
        """Click there on the screen."""
        self._xdotool("mousemove", str(x), str(y), "click", "1")

    def picture(self, target: Path) -> None:
        """Take a picture of the screen."""
        ImageGrab.grab(xdisplay=self.environment["DISPLAY"]).save(target)
