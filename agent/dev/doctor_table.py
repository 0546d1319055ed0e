"""Print the table of docs/huong-dan-agent.md: what ``ibhxh-agent doctor`` says in each situation, from real runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import pki  # noqa: E402  the helpers' folder comes first
import softhsm  # noqa: E402
from fake_odoo import FakeOdoo  # noqa: E402
from fakelib import FakeLibrary, compile_library  # noqa: E402

COMPANY = "CÔNG TY TNHH HOA SEN"


def situations(folder: Path) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Name, libraries and environment of each."""
    none, one, two = (softhsm.SoftHsm(folder / name) for name in ("none", "one", "two"))
    certificate = pki.certificate(pki.key(0), name=COMPANY)
    one.add("Kế toán", [(pki.key(0), certificate)])
    two.add("Kế toán", [(pki.key(0), certificate)])
    two.add("Giám đốc", [(pki.key(1), pki.certificate(pki.key(1), "0100686174", name="CÔNG TY CP SAO MAI", days=20))])
    for name, hsm in (("Không có token", none), ("Một token", one), ("Hai token, một sắp hết hạn", two)):
        yield name, [softhsm.LIBRARY], {"SOFTHSM2_CONF": str(hsm.config)}
    library = compile_library(folder)
    for number, (name, behaviour) in enumerate(
        (
            ("Token bị khóa PIN", {"flags": "40000"}),
            ("Chỉ còn một lần nhập PIN", {"flags": "20000"}),
            ("Chưa đặt PIN", {"no_flags": "8"}),
            ("Phải đổi PIN", {"flags": "80000"}),
            ("Chứng thư chỉ hiện sau khi nhập PIN", {"search": "hidden"}),
            ("Một khe cắm bị lỗi, khe kia vẫn dùng được", {"slots": "2", "token_info.8": "device_error"}),
            ("Thư viện không khởi động được", {"load": "error"}),
            ("Thư viện bị dừng đột ngột", {"load": "crash"}),
            ("Thư viện trả lời sai", {"list": "garbage"}),
            ("Thư viện không trả lời", {"load": "hang"}),
        )
    ):
        fake = FakeLibrary.make(library, folder / f"fake{number}")
        fake.behave(label="Kế toán", **behaviour)
        yield name, [str(library)], {"FAKEP11": str(fake.config)}
    (folder / "driver.so").write_bytes(b"text")
    yield "Tệp không phải thư viện PKCS#11", [str(folder / "driver.so")], {}


def main() -> None:
    odoo = FakeOdoo().start()
    print("| Tình huống | `ibhxh-agent doctor` nói | Mã thoát |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = [sys.executable, "-m", "ibhxh_agent", "--config-dir", str(folder / "config")]
        pair = ["pair", "--server", odoo.url, "--database", odoo.database, "--code", odoo.code]
        subprocess.run([*base, *pair], check=True, capture_output=True)
        for situation, libraries, environment in situations(folder):
            chosen = [part for library in libraries for part in ("--library", library)]
            command = [*base, *chosen, "doctor"]
            done = subprocess.run(
                command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
            )
            # Version, prompt, key, server and clock are the same each time.
            lines = [
                line
                for line in done.stdout.splitlines()
                if any(word in line for word in ("Thư viện", "thư viện", "oken", "Chứng thư"))
            ]
            output = "<br>".join(f"`{line.replace(name, '…').replace('|', '/')}`" for line in lines)
            print(f"| {situation} | {output} | {done.returncode} |", flush=True)
    odoo.stop()


if __name__ == "__main__":
    main()
