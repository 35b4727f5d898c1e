"""Files from the web: checked by SHA-256, never half-written, a local mirror searched first."""

import hashlib
import http.client
import logging
import os
import shutil
import string
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from micro3diff.errors import InputError
from micro3diff.files import atomic_path, sha256_of

logger = logging.getLogger("micro3diff")

TIMEOUT = 60  # seconds without a byte
BLOCK = 1 << 20


class _Interrupted(Exception):
    """A failure that may be gone at the next attempt."""


def file_name(url: str) -> str:
    """The decoded file name at the end of a URL."""
    try:
        name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    except ValueError as error:
        raise InputError(f"source.url: {url!r} is not an address ({error})") from error
    if name in ("", ".", ".."):
        raise InputError(f"source.url: {url} does not end with a file name")
    return name


def fetch(
    url: str,
    sha256: str,
    destination: str | os.PathLike,
    mirror: str | os.PathLike | None = None,
    waits: Sequence[float] = (2, 10),
) -> Path:
    """Put the file at ``url`` under ``destination`` and return it.

    Nothing touches the network if the destination has the right checksum, or the folder ``mirror``
    has a file of the URL's name. A broken connection is tried again after each of ``waits``
    seconds. Raises InputError for a wrong checksum, a missing file or a broken connection, and then
    leaves no file.
    """
    destination, sha256 = Path(destination), sha256.lower()
    if destination.is_file():
        if sha256_of(destination) == sha256:
            return destination
        logger.warning("%s: not the file that source.sha256 tells; fetched again", destination)
    if mirror is not None and (local := Path(mirror) / file_name(url)).is_file():
        with atomic_path(destination) as temporary:
            shutil.copyfile(local, temporary)
            _check(sha256_of(temporary), sha256, str(local))
        logger.info("%s: taken from the mirror %s", destination, mirror)
        return destination
    if mirror is not None:
        logger.info("%s: not in the mirror %s", file_name(url), mirror)
    if urlsplit(url).scheme not in ("http", "https"):
        raise InputError(
            f"source.url: found {url}, expected http:// or https://; use source.path for a file"
        )
    for wait in (*waits, None):
        try:
            with atomic_path(destination) as temporary:
                _check(_stream(url, temporary), sha256, url)
            return destination
        except _Interrupted as error:
            if wait is None:
                raise InputError(
                    f"source.url: {url} could not be read: {error}; {_by_hand(url)}"
                ) from error
            logger.warning("%s: %s; next attempt in %g s", url, error, wait)
            time.sleep(wait)
    raise AssertionError("unreachable")


def _stream(url: str, path: Path) -> str:
    """Write what ``url`` sends to ``path`` and return its checksum."""
    digest, received = hashlib.sha256(), 0
    logger.info("downloading %s", url)
    with _open(url) as response, open(path, "wb") as file:
        length = response.headers.get("Content-Length")
        while block := _block(response):
            file.write(block)
            digest.update(block)
            received += len(block)
    if length is not None and received != int(length):
        raise _Interrupted(f"the connection was cut after {received} of {length} bytes")
    return digest.hexdigest()


def _open(url: str) -> http.client.HTTPResponse:
    try:
        # addresses as a browser shows them may have letters that have to be sent by their numbers
        return urllib.request.urlopen(quote(url, safe=string.punctuation), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code >= 500 or error.code == 429:
            raise _Interrupted(f"the server answered {error.code} {error.reason}") from error
        raise InputError(
            f"source.url: the server answered {error.code} {error.reason} for {url}; check the "
            f"address; {_by_hand(url)}"
        ) from error
    except (http.client.InvalidURL, ValueError) as error:
        raise InputError(f"source.url: {url!r} is not an address ({error})") from error
    except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as e:
        raise _Interrupted(str(getattr(e, "reason", e))) from e


def _block(response: http.client.HTTPResponse) -> bytes:
    # Only reading is guarded: a full disk is no reason to try again.
    try:
        return response.read(BLOCK)
    except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
        raise _Interrupted(f"the connection was cut ({error})") from error


def _check(found: str, expected: str, where: str) -> None:
    if found != expected:
        raise InputError(
            f"source.sha256: {where} has the checksum {found}, expected {expected}; if you trust "
            "this version of the file, put its checksum into source.sha256, otherwise get the "
            "right file"
        )


def _by_hand(url: str) -> str:
    return (
        f"or get {file_name(url)} by other means and name its folder as run.mirror or the file as "
        "source.path"
    )
