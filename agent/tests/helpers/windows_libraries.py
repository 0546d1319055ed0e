"""Build the tests' PKCS#11 libraries for Windows: ``python windows_libraries.py FOLDER COMPILER``.

The compiler is MinGW's gcc, on Windows or on Linux. The tests find the folder by ``IBHXH_TEST_LIBRARIES``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("fakep11.c")
NEEDED = "__declspec(dllexport) int needed(void) { return 7; }\n"


def build(folder: Path, compiler: str) -> None:
    """``fakep11.dll``; ``softhsm2.dll``, for tests with SoftHSM2 elsewhere; ``needs.dll`` with and without its need."""
    beside = folder / "beside"
    beside.mkdir(parents=True, exist_ok=True)
    (beside / "needed.c").write_text(NEEDED, encoding="utf-8")
    # For 32 bits MinGW would else need a library of its own, which no Windows has.
    shared = [compiler, "-O1", "-s", "-shared", "-static-libgcc", "-o"]
    for target, source, options in (
        (folder / "fakep11.dll", SOURCE, []),
        (folder / "softhsm2.dll", SOURCE, ['-DCONFIG_VARIABLE="SOFTHSM2_CONF"']),
        (beside / "needed.dll", beside / "needed.c", []),
        (beside / "needs.dll", SOURCE, ["-DNEEDS_ANOTHER", f"-L{beside}", "-l:needed.dll"]),
    ):
        subprocess.run([*shared, str(target), str(source), *options], check=True)
    alone = folder / "alone"
    alone.mkdir(exist_ok=True)
    shutil.copy(beside / "needs.dll", alone)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    build(Path(sys.argv[1]), sys.argv[2])
