"""Log files of the rules, and progress that is readable on a terminal and in a log file."""

import errno
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from micro3diff.errors import InputError, Interrupted

logger = logging.getLogger("micro3diff")


def configure_logging(log: str | None = None) -> None:
    """Send log lines, and an uncaught exception, to stderr and to the file ``log``.

    What a user is meant to read, and a full disk, is shown in one line; anything else with its
    traceback. The terminal gets it too, so that nobody has to look for the log file of a failed
    rule first.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if log:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(log, mode="w", encoding="utf-8"))
    logging.basicConfig(
        level=logging.WARNING,  # other libraries report every font they touch
        format="%(asctime)s %(message)s",
        datefmt="%Y-%m-%d %H:%M:%S",
        handlers=handlers,
        force=True,
    )
    logger.setLevel(logging.INFO)
    logging.captureWarnings(True)
    sys.excepthook = _log_exception


def _log_exception(kind, error, traceback) -> None:
    if issubclass(kind, InputError):
        logger.error("Error: %s", error)
    elif issubclass(kind, Interrupted):
        logger.warning("%s", error)
    elif issubclass(kind, KeyboardInterrupt):
        logger.warning("stopped by Ctrl-C; run the same command again to continue")
    elif _disk_is_full(error):
        logger.error(
            "Error: no space left on device (%s): free some space and run again; nothing "
            "half-written is left",
            error,
        )
    else:
        logger.error("Error: %s", error, exc_info=(kind, error, traceback))


def _disk_is_full(error: BaseException) -> bool:
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "No space left on device" in str(error)  # safetensors has its own exception


def progress(items: Iterable, total: int, what: str, interval: float = 30.0) -> Iterator:
    """Pass ``items`` on, with a bar on a terminal and a log line per ``interval`` seconds else."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=what)
        return
    started = reported = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - reported >= interval or done == total:
            reported = now
            left = (now - started) / done * (total - done)
            logger.info("%s: %d of %d, %.0f s left", what, done, total, left)
