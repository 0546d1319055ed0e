"""Take the pictures of the agent's pages in docs/: ``python dev/screenshots.py ../docs/img`` (needs Xvfb)."""

from __future__ import annotations

import os
import sys
import threading
from datetime import datetime, timezone
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import pki  # noqa: E402  the helpers' folder comes first
from display import Keyboard, virtual_screen  # noqa: E402
from forms import form  # noqa: E402
from PIL import ImageGrab  # noqa: E402

from ibhxh_agent import document  # noqa: E402
from ibhxh_agent.certificate import TokenCertificate  # noqa: E402
from ibhxh_agent.prompt.base import Item, Question  # noqa: E402
from ibhxh_agent.prompt.window import WindowPrompt  # noqa: E402
from ibhxh_agent.texts import text, use_language  # noqa: E402

CONTACTS = ("Nguyễn Thị Hoa", "Trần Văn Sen", "Lê Đồng Tâm")


def items(count: int) -> list[Item]:
    made = []
    for number in range(count):
        own = {"NguoiLienHe": CONTACTS[number % len(CONTACTS)], "DienThoai": f"091234{number:04}"} if count > 1 else {}
        read = document.read(form(TenDoiTuong="Công ty TNHH Hoa Sen", **own))
        made.append(Item(read.form, read.rows(), "Trần Thị Kế Toán"))
    return made


def picture(folder: Path, name: str, display: str, question: Question, *, progress: bool = False) -> None:
    """Show a question on the virtual screen and save it."""
    prompt = WindowPrompt(patience=60)
    asking = threading.Thread(target=prompt.ask, args=(question,))
    asking.start()
    keyboard = Keyboard(display)
    keyboard.wait_for_window()
    if progress:
        while asking.is_alive():  # the window is deaf at first
            keyboard.press("m", "Alt_L")
            keyboard.type("1234")
            keyboard.press("Return")
            asking.join(2)
        for done in range(1, 213):
            prompt.progress(done, len(question.items))
    threading.Event().wait(1)  # the window draws itself
    target = folder / f"agent-{name}.png"
    shot = ImageGrab.grab(xdisplay=display)
    shot.crop(shot.getbbox()).save(target, optimize=True)
    print(target)
    while asking.is_alive():
        keyboard.press("Escape")
        asking.join(2)
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
