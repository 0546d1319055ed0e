"""Build ibhxh-agent with PyInstaller and start what came out: ``python packaging/build.py OUTPUT_FOLDER``.

A 32-bit Python builds the child for 32-bit token drivers instead, into the folder of a program that is there already;
it needs PyInstaller only. Else the package's extra ``test`` is needed in the running Python. With SoftHSM2 on the
computer the built program also has to list a token's certificate, which proves that its child process works.
"""

from __future__ import annotations

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
    name = "ibhxh-agent-cli.exe" if sys.platform == "win32" else "ibhxh-agent"
    return output / "dist" / "ibhxh-agent" / name


def start(program: Path) -> None:
    """Start it and look at what it says.

    :raises SystemExit: it does not work
    """
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(f"{program} starts, version {version}")
    tried = subprocess.run([program, "self-test"], capture_output=True, text=True, encoding="utf-8", check=False)
    print(tried.stdout, end="")
    if tried.returncode:
        raise SystemExit(f"the built program lacks a part: {tried.stderr}")
    sys.path.insert(0, str(ROOT / "tests" / "helpers"))
    try:
        import softhsm
    except FileNotFoundError:
        print("no SoftHSM2 here: the child process was not tried")
        return
    import pki

    with tempfile.TemporaryDirectory() as folder:
        hsm = softhsm.SoftHsm(Path(folder) / "hsm")
        hsm.add("Built", [(pki.key(0), pki.certificate(pki.key(0)))])
        environment = {**os.environ, "SOFTHSM2_CONF": str(hsm.config)}
        command = [program, "--config-dir", folder, "--library", softhsm.LIBRARY, "certificates", "--json"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    rows = json.loads(done.stdout or "[]")
    if [row["token"] for row in rows] != ["Built"]:
        raise SystemExit(f"the built program does not see the token: {done.stdout}{done.stderr}")
    print(f"its child process reads the token: {rows[0]['name']}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    if sys.maxsize < 2**32:
        build_token(folder)
    else:
        start(build(folder))
