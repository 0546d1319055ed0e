"""Take the pictures of docs/agent.md: ``python dev/screenshots.py ../docs/img`` (needs Xvfb and ImageMagick)."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import pki  # noqa: E402  the helpers' folder comes first
from display import Keyboard, virtual_screen  # noqa: E402

from ibhxh_agent.certificate import TokenCertificate  # noqa: E402
from ibhxh_agent.prompt.base import Item, Question  # noqa: E402
from ibhxh_agent.prompt.window import WindowPrompt  # noqa: E402
from ibhxh_agent.texts import text, use_language  # noqa: E402

COMPANIES = (
    ("Công ty TNHH Hoa Sen", "0100109106", "ke.toan@hoasen.example"),
    ("Công ty Cổ phần Sao Mai", "0100686174", "nhansu@saomai.example"),
    ("Hợp tác xã Đồng Tâm", "0101248141", "htx@dongtam.example"),
)


def items(count: int) -> list[Item]:
    made = []
    for number in range(count):
        company, tax_code, email = COMPANIES[0] if count == 1 else COMPANIES[number % len(COMPANIES)]
        made.append(
            Item(
                form="04/ĐK-IVAN",
                title="Tờ khai đăng ký sử dụng dịch vụ I-VAN (04/ĐK-IVAN)",
                company=company,
                tax_code=tax_code,
                email=email,
                phone=f"+8491234{number:04}",
                requested_by="Trần Thị Kế Toán",
                details=(("Tổ chức I-VAN", "TS24"), ("Cơ quan BHXH", "BHXH thành phố Hà Nội")),
            )
        )
    return made


def picture(folder: Path, name: str, display: str, question: Question, *, progress: bool = False) -> None:
    """Show a question on the virtual screen and save it."""
    prompt = WindowPrompt(patience=60)
    asking = threading.Thread(target=prompt.ask, args=(question,))
    asking.start()
    keyboard = Keyboard(display)
    keyboard.wait_for_focus()
    if progress:
        keyboard.type("1234")
        keyboard.press("Return")
        asking.join()
        for done in range(1, 213):
            prompt.progress(done, len(question.items))
    threading.Event().wait(1)  # the window draws itself
    target = folder / f"agent-{name}.png"
    command = ["import", "-display", display, "-window", "root", "-trim", str(target)]
    subprocess.run(command, check=True)
    print(target)
    if not progress:
        keyboard.press("Escape")
        asking.join()
    prompt.close()


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    start = datetime(2026, 1, 5, tzinfo=timezone.utc)
    der = pki.certificate(pki.key(0), name="CÔNG TY TNHH HOA SEN", start=start, days=1095)
    certificate = TokenCertificate.from_der(der)
    with virtual_screen() as display:
        os.environ["DISPLAY"] = display
        one = Question("https://odoo.hoasen.example", certificate, "Kế toán", items(1))
        picture(folder, "pin", display, one)
        warned = Question(one.server, certificate, "Kế toán", items(1), (text("final_try"),))
        picture(folder, "pin-final-try", display, warned)
        many = Question(one.server, certificate, "Kế toán", items(500))
        picture(folder, "batch", display, many)
        picture(folder, "progress", display, many, progress=True)
        use_language("en")
        picture(folder, "pin-english", display, one)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
