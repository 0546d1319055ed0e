"""Programs and libraries that are no Python packages: SoftHSM2, xmlsec1, Chromium, nginx, wkhtmltopdf, a font, …

root gets them by apt-get; anybody else gets Debian's packages unpacked under .runtime/system, without installing.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable
from pathlib import Path

from ..console import Problem, say
from ..paths import SYSTEM
from . import apt, nginx, unpacked, wkhtmltopdf

MULTIARCH = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
PYTHON_FOLDER = Path(f"usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}")
SHARED_PYTHON = f"libpython{sys.version_info[0]}.{sys.version_info[1]}"
LIBRARY_FOLDERS = (
    Path("usr/lib/softhsm"),
    Path("usr/lib") / MULTIARCH / "softhsm",
    Path("usr/lib") / MULTIARCH,
    Path("usr/lib") / MULTIARCH / "pkcs11",
    Path("usr/lib64/pkcs11"),
    Path("usr/lib64/softhsm"),
    Path("usr/lib"),
    Path("usr/local/lib/softhsm"),
)


def library(name: str) -> Path | None:
    """A shared library by file name, from .runtime/system or the system; None when there is none."""
    for root in (SYSTEM, Path("/")):
        for folder in LIBRARY_FOLDERS:
            file = root / folder / name
            if file.exists():
                return file
    return None


def program(name: str) -> Path | None:
    """A program by name, from .runtime/system or PATH; None when there is none."""
    own = SYSTEM / "usr/bin" / name
    if own.exists():
        return own
    found = shutil.which(name)
    return Path(found) if found else None


def chromium() -> Path | None:
    """The browser that tests and the demo drive."""
    return program("chromium") or program("google-chrome") or program("chromium-browser")


def _file(path: str) -> Path | None:
    return next((root / path for root in (SYSTEM, Path("/")) if (root / path).exists()), None)


def vietnamese_font() -> Path | None:
    """Any installed font file known to have the Vietnamese letters."""
    for root in (SYSTEM, Path("/")):
        for folder in ("usr/share/fonts", "usr/local/share/fonts"):
            for pattern in ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "FreeSans.ttf"):
                found = next(iter((root / folder).rglob(pattern)), None)
                if found:
                    return found
    return None


def tkinter() -> Path | None:
    """The part of Python that draws windows, which Debian packages apart."""
    own = next(iter((SYSTEM / PYTHON_FOLDER / "lib-dynload").glob("_tkinter.*.so")), None)
    importlib.invalidate_caches()  # it may have been installed a moment ago
    found = importlib.util.find_spec("_tkinter")
    return own or (Path(found.origin) if found and found.origin else None)


def shared_python() -> Path | None:
    """Python as a library, which Debian packages apart."""
    return _file(f"{sysconfig.get_config_var('LIBDIR')}/{sysconfig.get_config_var('INSTSONAME')}".lstrip("/"))


NEEDED: dict[str, tuple[str, Callable[[], Path | None]]] = {
    "softhsm2": ("the token of demo and tests", lambda: library("libsofthsm2.so") and program("softhsm2-util")),
    "opensc-pkcs11": ("pkcs11-spy.so, which counts the calls that reach a token", lambda: library("pkcs11-spy.so")),
    "xmlsec1": ("checks signatures with another implementation than ours", lambda: program("xmlsec1")),
    "libatomic1": ("a library of Playwright's Node.js", lambda: library("libatomic.so.1")),
    "curl": ("the sandbox's tests speak HTTPS to it as the guide says", lambda: program("curl")),
    "chromium": ("browser tests and the demo's portal page", chromium),
    "gcc": ("builds the PKCS#11 library that misbehaves in the agent's tests", lambda: program("cc")),
    "libc6-dev": ("headers for gcc", lambda: _file("usr/include/stdlib.h")),
    "binutils": ("objdump, with which PyInstaller packs the agent", lambda: program("objdump")),
    SHARED_PYTHON: ("Python as a library, which PyInstaller packs with the agent", shared_python),
    "xvfb": ("the screen on which tests use the agent's PIN window", lambda: program("Xvfb")),
    "python3-tk": ("the agent's PIN window", tkinter),
    "wkhtmltopdf": ("Odoo's PDF reports", lambda: program("wkhtmltopdf")),
    "nginx": ("the reverse proxy of the administrator's guide", nginx.program),
    "poppler-utils": ("pdftotext, with which tests read the printed forms", lambda: program("pdftotext")),
    "fonts-dejavu-core": ("letters with Vietnamese marks in browser and PDF", vietnamese_font),
}


BUILD_TOOLS = ("gcc", "libc6-dev", "binutils", SHARED_PYTHON)
"""Only some of the agent's tests need these, and unpacked elsewhere they do not work: for those who can install."""


def missing(packages: Iterable[str] = NEEDED) -> list[str]:
    """Those of the Debian packages whose files are not found."""
    return [package for package in packages if NEEDED[package][1]() is None]


def wanted() -> list[str]:
    """The missing packages that set-up gets for anyone who runs it."""
    return missing(package for package in NEEDED if os.geteuid() == 0 or package not in BUILD_TOOLS)


def environment() -> dict[str, str]:
    """Environment for programs unpacked under .runtime/system; empty when everything is the system's own."""
    if not SYSTEM.is_dir():
        return {}
    own = (f"usr/lib/{MULTIARCH}", f"usr/lib/{MULTIARCH}/pulseaudio", f"lib/{MULTIARCH}")
    parts = (*own, "usr/lib", "usr/lib/softhsm")
    folders = [SYSTEM / part for part in parts]
    scripts = {"TCL_LIBRARY": SYSTEM / "usr/share/tcltk/tcl8.6", "TK_LIBRARY": SYSTEM / "usr/share/tcltk/tk8.6"}
    return {
        **{name: str(folder) for name, folder in scripts.items() if folder.is_dir()},
        **({"FONTCONFIG_FILE": str(unpacked.FONTS)} if unpacked.FONTS.is_file() else {}),
        "PATH": f"{SYSTEM / 'usr/bin'}:{os.environ.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": ":".join([*map(str, folders), os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":"),
        "XDG_DATA_DIRS": f"{SYSTEM / 'usr/share'}:{os.environ.get('XDG_DATA_DIRS', '/usr/local/share:/usr/share')}",
    }


def _reasons(packages: Iterable[str]) -> str:
    return "; ".join(f"{package} ({NEEDED[package][0]})" for package in packages)


def _command(packages: list[str]) -> str:
    return f"sudo apt-get update && sudo apt-get install --no-install-recommends {' '.join(packages)}"


def install(refresh: bool) -> None:
    """Install what is missing.

    :raises Problem: when it cannot be had; says the command that an administrator types
    """
    packages = wanted()
    if os.geteuid() != 0 and missing(BUILD_TOOLS):
        say(f"Some of the agent's tests need {_reasons(missing(BUILD_TOOLS))}: {_command(missing(BUILD_TOOLS))}")
    if not packages:
        return
    reasons = _reasons(packages)
    say(f"System packages: {reasons}")
    if not apt.available():
        raise Problem(f"Missing on this system: {reasons}.", "Install them with this system's package manager.")
    if "wkhtmltopdf" in packages and apt.codename() not in ("", wkhtmltopdf.LAST_SUITE):
        wkhtmltopdf.install(refresh)
        packages.remove("wkhtmltopdf")
    if "nginx" in packages and apt.codename():
        nginx.install(refresh)
        packages.remove("nginx")
    if packages and os.geteuid() == 0:
        install_as_root(packages)
    elif packages:
        _unpack_privately(packages, refresh)
    left = wanted()
    if left:
        raise Problem(f"Still missing after the installation: {' '.join(left)}.", _command(left))


def install_as_root(packages: list[str]) -> None:
    """`apt-get install` them.

    :raises Problem: when apt cannot
    """
    environment_ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    install_ = ["apt-get", "-q", "-y", "-oAcquire::Retries=3", "--no-install-recommends", "install", *packages]
    for command in (["apt-get", "-q", "-oAcquire::Retries=3", "update"], install_):
        done = subprocess.run(command, env=environment_, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"apt-get failed: {done.stderr.strip()[-800:]}", _command(packages))


def _unpack_privately(packages: list[str], refresh: bool) -> None:
    if not apt.codename():
        raise Problem(f"Missing on this system: {' '.join(packages)}.", _command(packages))
    source = apt.PrivateApt(apt.codename())
    try:
        source.update()
        for file in source.download(source.missing(packages), refresh=refresh):
            apt.unpack(file, SYSTEM)
        unpacked.adapt()
    except Problem as problem:
        raise Problem(f"{problem.what}\nMissing on this system: {' '.join(packages)}.", _command(packages)) from problem
