"""The agent's log: a file that stays small and holds no secret.

Nothing that could hold one is ever given to a logger: no PIN, no key, no header, no document, only codes, counts, names
of exceptions and library paths. The tests search the log for all of them after full runs. Words of servers and tokens
get there, too: they are made harmless, so that no log line can fake another one or rearrange a terminal.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType

from ibhxh_agent.untrusted import harmless

#: Bytes of one file, and how many old ones are kept.
SIZE, KEPT = 512 * 1024, 3
_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


log = logging.getLogger(__name__)


class HarmlessFormatter(logging.Formatter):
    """One line for each record, and indented ones for its traceback."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The record's line."""
        record.message = harmless(record.message, 2000)
        return super().formatMessage(record)

    def formatException(
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The traceback, whose last line quotes what caused it."""
        return "\n".join(f"  {harmless(line, 2000)}" for line in super().formatException(ei).splitlines())


class PatientFileHandler(RotatingFileHandler):
    """Goes on in the same file while it cannot be rotated: Windows renames no file that another program has open."""

    def doRollover(self) -> None:
        """Rotate, or try again with a later line."""
        with contextlib.suppress(PermissionError):
            super().doRollover()
        if self.stream is None:
            self.stream = self._open()


def start_logging(path: Path, *, terminal: bool) -> None:
    """Log to ``path`` (0600), and to the terminal's error output where no question is ever asked there.

    Warnings of Python and exceptions that end a thread are logged instead of printed.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    handlers: list[logging.Handler] = [PatientFileHandler(path, maxBytes=SIZE, backupCount=KEPT, encoding="utf-8")]
    if terminal and sys.stderr is not None:
        handlers.append(logging.StreamHandler())
    for handler in handlers:
        handler.setFormatter(HarmlessFormatter(_FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)
    logging.captureWarnings(True)
    threading.excepthook = _log_thread
    # Their messages quote addresses and data; ours say what is needed.
    for name in ("urllib3", "websocket", "signxml", "filelock", "keyring", "PIL", "pystray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _log_thread(ended: threading.ExceptHookArgs) -> None:
    log.error("a thread ended", exc_info=(ended.exc_type, ended.exc_value or ended.exc_type(), ended.exc_traceback))
