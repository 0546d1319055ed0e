"""Make the Windows installer of a built program: ``python packaging/installer.py BUILT_FOLDER OUTPUT_FOLDER``.

``BUILT_FOLDER`` is what PyInstaller made on Windows, or under Wine: the folder with ibhxh-agent.exe. Needs makensis,
and osslsigncode where :mod:`sign` has a key. Our own programs and the installer are signed; what others made and
signed stays.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import resources  # noqa: E402  # the line above is what finds it
import sign  # noqa: E402

from ibhxh_agent import __version__  # noqa: E402

PROGRAMS = ("ibhxh-agent.exe", "ibhxh-agent-cli.exe")
#: The child for 32-bit token drivers, where it was built.
TOKEN_CHILD = "ibhxh-token32/ibhxh-token.exe"


def make(built: Path, output: Path, version: str = __version__) -> Path:
    """The installer; its SHA-256 is written beside it.

    :param version: what it says that it installs
    :raises SystemExit: a program is missing, or it cannot be made or signed
    """
    missing = [name for name in PROGRAMS if not (built / name).is_file()]
    if missing:
        raise SystemExit(f"{built} lacks {', '.join(missing)}.")
    output.mkdir(parents=True, exist_ok=True)
    if sign.is_wanted():
        for name in (*PROGRAMS, TOKEN_CHILD):
            if (built / name).is_file():
                sign.sign(built / name)
    made = output / f"ibhxh-agent-{version}-windows-x86_64.exe"
    values = {
        "VERSION": version,
        "NUMBERS": ".".join(map(str, resources.windows_version(version))),
        "FOLDER": built.resolve(),
        "ICON": resources.write(output / "resources").icon.resolve(),
        "OUTPUT": made.resolve(),
        "KILOBYTES": sum(path.stat().st_size for path in built.rglob("*") if path.is_file()) // 1024,
    }
    if sign.is_wanted():
        values["SIGN"] = f'"{sys.executable}" "{HERE / "sign.py"}"'
    command = ["makensis", "-V2", "-WX", *(f"-D{name}={value}" for name, value in values.items())]
    done = subprocess.run([*command, str(HERE / "installer.nsi")], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The installer cannot be made:\n{done.stdout}{done.stderr}")
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    made.with_name(f"{made.name}.sha256").write_text(f"{digest}  {made.name}\n", encoding="ascii")
    return made


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    installer = make(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{installer} ({installer.stat().st_size / 2**20:.1f} MiB)")
