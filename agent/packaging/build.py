"""Build ibhxh-agent with PyInstaller and start what came out: ``python packaging/build.py OUTPUT_FOLDER``.

A 32-bit Python builds the child for 32-bit token drivers instead, into the folder of a program that is there already;
it needs PyInstaller only. Else the package's extra ``test`` is needed in the running Python. With SoftHSM2 on the
computer, or the tests' model of it (tests/helpers/softhsm.py), the built program also has to list a token's
certificate, which proves that its child process works. ``--library PATH`` builds nothing and starts the program that
is there with this library: a 32-bit one proves the other child.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _pyinstaller(recipe: str, target: Path, output: Path) -> None:
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(target), "--workpath", str(output / "build")]
    subprocess.run([*command, str(ROOT / "packaging" / recipe)], check=True)


def build_token(output: Path) -> None:
    """The child for libraries of this Python's machine, beside the program; its ``self-test`` starts both."""
    _pyinstaller("ibhxh-token.spec", output / "dist" / "ibhxh-agent", output)


def build(output: Path) -> Path:
    """Run PyInstaller; the built program."""
    _pyinstaller("ibhxh-agent.spec", output / "dist", output)
    return built(output)


def built(output: Path) -> Path:
    """Where the built program is."""
    name = "ibhxh-agent-cli.exe" if sys.platform == "win32" else "ibhxh-agent"
    return output / "dist" / "ibhxh-agent" / name


def start(program: Path, library: str = "") -> None:
    """Start it and look at what it says.

    :param library: of the token to list; SoftHSM2 by default
    :raises SystemExit: it does not work
    """
    version = subprocess.run(
        [program, "--version"], capture_output=True, text=True, encoding="utf-8", check=True
    ).stdout.strip()
    print(f"{program} starts, version {version}")
    tried = subprocess.run([program, "self-test"], capture_output=True, text=True, encoding="utf-8", check=False)
    print(tried.stdout, end="")
    if tried.returncode:
        raise SystemExit(f"the built program lacks a part: {tried.stderr}")
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    try:
        import softhsm
    except FileNotFoundError as error:
        print(f"the child process was not tried: {error}")
        return
    import pki

    with tempfile.TemporaryDirectory() as folder:
        hsm = softhsm.SoftHsm(Path(folder) / "hsm")
        hsm.add("Built", [(pki.key(0), pki.certificate(pki.key(0)))])
        environment = {**os.environ, "SOFTHSM2_CONF": str(hsm.config)}
        command = [program, "--config-dir", folder, "--library", library or softhsm.LIBRARY, "certificates", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=False)
    rows = json.loads(done.stdout or "[]")
    if [row["token"] for row in rows] != ["Built"]:
        raise SystemExit(f"the built program does not see the token: {done.stdout}{done.stderr}")
    print(f"its child process reads the token: {rows[0]['name']}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=lambda path: Path(path).resolve())
    parser.add_argument("--library", help="start the program that is there, with this PKCS#11 library")
    options = parser.parse_args()
    if options.library:
        start(built(options.output), str(Path(options.library).resolve()))
    elif sys.maxsize < 2**32:
        build_token(options.output)
    else:
        start(build(options.output))
