"""What all windows of the agent have in common: sharp on every screen, the system's look, mnemonics, plain text."""

from __future__ import annotations

import sys
import tkinter as tk
from collections.abc import Callable
from tkinter import font as tkfont
from tkinter import ttk

from ibhxh_agent.icon import picture_ppm

#: Dots per inch that sizes in pixels are meant for.
_DPI = 96.0
#: DPI_AWARENESS_CONTEXT_PER_MONITOR_AWARE_V2 is -4, windef.h; the system's one (-2) is right for windows that do not
#: move between screens while they live, and Tk 8.6 does not follow such a move.
_SYSTEM_AWARE = -2

WARNING_COLOUR = "#a40000"


def be_sharp(platform: str = sys.platform) -> None:
    """Windows: draw in the screen's own pixels instead of being enlarged, which blurs. Before the first window."""
    if platform == "win32":
        import ctypes

        user32 = getattr(ctypes, "windll").user32  # noqa: B009  # exists on Windows only
        # Missing before Windows 10 1703, refused where a manifest has decided already: blurred, then, but working.
        change = getattr(user32, "SetProcessDpiAwarenessContext", None)
        if change is None or not change(ctypes.c_void_p(_SYSTEM_AWARE)):
            user32.SetProcessDPIAware()


def new_window(title: str) -> tk.Tk:
    """A window of fixed size with the agent's picture and the system's look."""
    be_sharp()
    root = tk.Tk(className="ibhxh-agent")
    root.title(title)
    root.resizable(False, False)
    if sys.platform == "win32" and getattr(sys, "frozen", False):
        root.iconbitmap(default=sys.executable)
    else:
        # Kept by the window: Tk forgets a picture that no Python name holds.
        root.picture = tk.PhotoImage(master=root, data=picture_ppm())  # type: ignore[attr-defined]
        root.iconphoto(True, root.picture)  # type: ignore[attr-defined]
    style = ttk.Style(root)
    # Windows and macOS have their own look; elsewhere "clam" shows which button has the focus.
    if style.theme_use() == "default":
        style.theme_use("clam")
    return root


def scaled(root: tk.Misc, pixels: int) -> int:
    """Pixels at 96 dots per inch, in pixels of this screen. macOS scales by itself."""
    factor = 1.0 if sys.platform == "darwin" else max(1.0, root.winfo_fpixels("1i") / _DPI)
    return round(pixels * factor)


def bold(root: tk.Misc, larger: int = 0) -> tkfont.Font:
    """The usual font, bold, and larger by so many points."""
    made = tkfont.nametofont("TkDefaultFont", root).copy()
    size = int(made.cget("size"))
    made.configure(weight="bold", size=size - larger if size < 0 else size + larger)
    return made


def area(root: tk.Misc) -> tuple[int, int, int, int]:
    """Left, top, width and height, in pixels, of the screen that the mouse is on, on Windows without the taskbar.

    Tk knows one screen only: Windows' first one, and elsewhere all of them together.
    """
    if sys.platform == "win32":
        import ctypes
        from ctypes import wintypes

        class Information(ctypes.Structure):  # MONITORINFO, winuser.h
            _fields_ = (
                ("size", wintypes.DWORD),
                ("whole", wintypes.RECT),
                ("work", wintypes.RECT),
                ("flags", wintypes.DWORD),
            )

        user32 = ctypes.WinDLL("user32")
        user32.MonitorFromPoint.argtypes = [wintypes.POINT, wintypes.DWORD]
        user32.MonitorFromPoint.restype = wintypes.HMONITOR
        user32.GetMonitorInfoW.argtypes = [wintypes.HMONITOR, ctypes.c_void_p]
        mouse, found = wintypes.POINT(), Information(ctypes.sizeof(Information))
        user32.GetCursorPos(ctypes.byref(mouse))
        # 1: the first screen where the mouse is on none.
        if user32.GetMonitorInfoW(user32.MonitorFromPoint(mouse, 1), ctypes.byref(found)):
            work = found.work
            return work.left, work.top, work.right - work.left, work.bottom - work.top
    return 0, 0, root.winfo_screenwidth(), root.winfo_screenheight()


def centre(root: tk.Tk) -> None:
    """In the upper middle of the screen that the mouse is on; what is too large begins at its corner."""
    root.update_idletasks()
    left, top, width, height = area(root)
    left += max((width - root.winfo_reqwidth()) // 2, 0)
    top += max((height - root.winfo_reqheight()) // 3, 0)
    root.geometry(f"+{left}+{top}")


def button(bar: ttk.Frame, column: int, label: str, command: Callable[[], None]) -> ttk.Button:
    """A button in a row of them; the space bar presses the focused one, Alt and its letter does from everywhere."""
    made = ttk.Button(bar, command=command)
    mark(made, label, made.invoke)
    made.grid(row=0, column=column, padx=4)
    return made


def mark(widget: ttk.Button | ttk.Checkbutton | ttk.Label, label: str, action: Callable[[], object]) -> None:
    """Write a label, underline the letter that "&" marks in it, and let Alt and this letter do something.

    :raises ValueError: the letter is none that every keyboard has; Tk knows no key of another name
    """
    at, name = label.index("&"), label.replace("&", "")
    letter = name[at]
    if not (letter.isascii() and letter.isalpha()):
        raise ValueError(f"{label}: no key for {letter}")
    widget.configure(text=name, underline=at)
    for case in (letter.lower(), letter.upper()):  # with Caps Lock on, the key has the other name
        widget.winfo_toplevel().bind(f"<Alt-{case}>", lambda _event: action() if widget.winfo_exists() else None)
