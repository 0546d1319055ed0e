"""The agent's picture, drawn here: for the icon beside the clock, the windows, the program file and the menus."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Colour(Enum):
    """How the agent is: ready to sign, connected without a token that signs, not connected, or in need of a person."""

    GREEN = (0x2E, 0x7D, 0x32)
    YELLOW = (0xF9, 0xA8, 0x25)
    GREY = (0x9E, 0x9E, 0x9E)
    RED = (0xC6, 0x28, 0x28)


#: The USB token on a raster of 64 by 64: body, plug, and the two contacts in the plug (left, top, right, bottom).
_SIZE = 64
_BODY, _PLUG = (10, 22, 54, 60), (20, 4, 44, 22)
_CONTACTS = ((25, 9, 30, 15), (34, 9, 39, 15))
#: The tick on the body, as a line through these points.
_TICK = ((20, 41), (29, 50), (45, 32))


def picture(image: Any, draw: Any, colour: Colour, size: int = _SIZE) -> Any:
    """The picture with transparent ground.

    :param image: the module ``PIL.Image``, and :param draw: ``PIL.ImageDraw``
    """
    scale = 4  # drawn larger, then made smaller: smooth edges
    made = image.new("RGBA", (_SIZE * scale, _SIZE * scale), (0, 0, 0, 0))
    pen = draw.Draw(made)

    def box(corners: tuple[int, int, int, int]) -> tuple[int, ...]:
        return tuple(place * scale for place in corners)

    pen.rounded_rectangle(box(_BODY), 6 * scale, fill=colour.value)
    pen.rectangle(box(_PLUG), fill=colour.value)
    for contact in _CONTACTS:
        pen.rectangle(box(contact), fill=(255, 255, 255))
    pen.line([(x * scale, y * scale) for x, y in _TICK], fill=(255, 255, 255), width=6 * scale, joint="curve")
    return made.resize((size, size), image.LANCZOS)


def picture_ppm() -> bytes:
    """A small one for the title bars, without PIL: Tk reads this format itself."""
    rows = []
    for y in range(0, _SIZE, 2):
        for x in range(0, _SIZE, 2):
            inside = any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in (_BODY, _PLUG))
            contact = any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in _CONTACTS)
            rows.append(bytes(Colour.GREEN.value) if inside and not contact else b"\xff\xff\xff")
    return b"P6 %d %d 255\n" % (_SIZE // 2, _SIZE // 2) + b"".join(rows)
