"""Entry point of the frozen programs."""

import io
import sys

from ibhxh_agent.cli import main


def windowed() -> int:
    """Without a console, what would be printed there is shown in a box: nothing else would tell why it ended."""
    output = io.StringIO()
    sys.stdout = sys.stderr = output
    try:
        code = main()
    except SystemExit as ending:  # argparse: an option that does not exist
        code = int(ending.code or 0)
    if code and output.getvalue():
        import ctypes

        # MB_ICONERROR | MB_SETFOREGROUND, winuser.h
        ctypes.windll.user32.MessageBoxW(None, output.getvalue()[:2000], "ibhxh-agent", 0x10 | 0x10000)
    return code


if __name__ == "__main__":
    without_console = sys.platform == "win32" and sys.stderr is None and sys.argv[1:2] != ["--child"]
    sys.exit(windowed() if without_console else main())
