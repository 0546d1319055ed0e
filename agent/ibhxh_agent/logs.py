"""The agent's log: a file that stays small and holds no secret.

Nothing that could hold one is ever given to a logger: no PIN, no key, no header, no document, only codes, counts, names
of exceptions and library paths. The tests search the log for all of them after full runs.
"""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

#: Bytes of one file, and how many old ones are kept.
SIZE, KEPT = 512 * 1024, 3
_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def start_logging(path: Path, *, terminal: bool) -> None:
    """Log to ``path`` (0600), and to the terminal's error output when somebody is looking."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    handlers: list[logging.Handler] = [RotatingFileHandler(path, maxBytes=SIZE, backupCount=KEPT, encoding="utf-8")]
    if terminal and sys.stderr is not None:
        handlers.append(logging.StreamHandler())
    logging.basicConfig(level=logging.INFO, format=_FORMAT, handlers=handlers, force=True)
    # Their messages quote addresses and data; ours say what is needed.
    for name in ("urllib3", "websocket", "signxml", "filelock", "keyring", "PIL"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
