"""Make the package for Debian and Ubuntu: ``python packaging/debian.py BUILT_FOLDER OUTPUT_FOLDER``.

``BUILT_FOLDER`` is what PyInstaller made on Linux. The package holds the program, its icon, the menu entry that also
takes Odoo's links, and the start at login. Needs dpkg-deb.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from PIL import Image, ImageDraw  # noqa: E402  # the line above belongs before the last import

from ibhxh_agent import __version__  # noqa: E402
from ibhxh_agent.config import SCHEME  # noqa: E402
from ibhxh_agent.icon import Colour, picture  # noqa: E402

NAME = "ibhxh-agent"
HOME = f"/usr/lib/{NAME}"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}

# What PyInstaller does not bring along: the C library, X11, and how programs are shown.
CONTROL = """\
Package: {name}
Version: {version}
Architecture: {architecture}
Maintainer: l10n_vn_ibhxh <maintainers@example.invalid>
Section: misc
Priority: optional
Installed-Size: {kilobytes}
Depends: libc6, libx11-6, xdg-utils
Recommends: libnotify-bin (>= 0.8), pcscd
Description: signs Vietnamese social insurance (BHXH) forms for Odoo
 Asks Odoo for forms to sign, shows who asks for what, asks for the PIN, signs
 with the USB token on this computer and returns the signed form.
"""

DESKTOP = """\
[Desktop Entry]
Type=Application
Name=ibhxh-agent
Comment=Signs BHXH forms for Odoo with the USB token
Comment[vi]=Ký tờ khai BHXH cho Odoo bằng USB token
Exec={home}/{name} %u
Icon={name}
Terminal=false
Categories=Office;
MimeType=x-scheme-handler/{scheme};
StartupNotify=false
"""

AUTOSTART = """\
[Desktop Entry]
Type=Application
Name=ibhxh-agent
Comment=Signs BHXH forms for Odoo with the USB token
Exec={home}/{name} start
Terminal=false
NoDisplay=true
"""


def make(built: Path, output: Path) -> Path:
    """The package.

    :raises SystemExit: the program is missing
    """
    if not (built / NAME).is_file():
        raise SystemExit(f"{built} lacks {NAME}.")
    output.mkdir(parents=True, exist_ok=True)
    architecture = ARCHITECTURES[platform.machine()]
    made = output / f"{NAME}_{__version__}_{architecture}.deb"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        shutil.copytree(built, root / HOME.lstrip("/"), symlinks=True)
        names = {"name": NAME, "home": HOME, "scheme": SCHEME}
        _write(root / "usr/share/applications" / f"{NAME}.desktop", DESKTOP.format(**names))
        _write(root / "etc/xdg/autostart" / f"{NAME}.desktop", AUTOSTART.format(**names))
        for size in (16, 24, 32, 48, 64, 128, 256):
            icon = root / f"usr/share/icons/hicolor/{size}x{size}/apps/{NAME}.png"
            icon.parent.mkdir(parents=True)
            picture(Image, ImageDraw, Colour.GREEN, size).save(icon)
        link = root / "usr/bin" / NAME
        link.parent.mkdir(parents=True)
        link.symlink_to(f"{HOME}/{NAME}")
        kilobytes = sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) // 1024
        control = CONTROL.format(name=NAME, version=__version__, architecture=architecture, kilobytes=kilobytes)
        _write(root / "DEBIAN" / "control", control)
        # So that upgrades do not take away what a person changed there.
        _write(root / "DEBIAN" / "conffiles", f"/etc/xdg/autostart/{NAME}.desktop\n")
        for path in root.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        root.chmod(0o755)
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(root), str(made)]
        subprocess.run(command, check=True, capture_output=True)
    return made


def _write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    package = make(Path(sys.argv[1]), Path(sys.argv[2]))
    print(f"{package} ({package.stat().st_size / 2**20:.1f} MiB)")
