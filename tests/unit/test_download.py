"""A download is right, or it is an error that leaves nothing behind. A local server only."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from micro3diff.errors import InputError
from micro3diff.sources import download

CONTENT = bytes(range(256)) * 500
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        if "missing" in self.path:
            self.send_error(404)
            return
        if "busy" in self.path and len(self.server.asked) == 1:
            self.send_error(503)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        once = "once" in self.path and len(self.server.asked) > 1
        cut = "cut" in self.path and not once
        self.wfile.write(CONTENT[:1000] if cut else CONTENT)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server on this machine, reached past any proxy."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(url, path, sha256=SHA256, **settings):
    return download.fetch(url, sha256, path, waits=(0, 0), **settings)


def assert_nothing_left(folder):
    assert not folder.exists() or not list(folder.iterdir())


def test_right_file(server, tmp_path):
    """The content arrives, and a second call asks nobody."""
    path = tmp_path / "new" / "rock.tif"
    assert fetch(f"{server.url}/a/rock.tif", path) == path
    assert path.read_bytes() == CONTENT
    assert [p.name for p in path.parent.iterdir()] == ["rock.tif"]
    fetch(f"{server.url}/a/rock.tif", path, SHA256.upper())
    assert len(server.asked) == 1


def test_letters_that_are_none_of_ascii(server, tmp_path):
    """As a browser shows an address; what is already coded stays so."""
    fetch(f"{server.url}/Größe%20a b.tif", tmp_path / "rock.tif")
    assert server.asked == ["/Gr%C3%B6%C3%9Fe%20a%20b.tif"]


def test_wrong_checksum(server, tmp_path):
    """Both checksums and the address are named; it is not asked for again."""
    with pytest.raises(InputError, match=f"rock.tif has the checksum {SHA256}, expected 00") as e:
        fetch(f"{server.url}/rock.tif", tmp_path / "d" / "rock.tif", "0" * 64)
    assert "\n" not in str(e.value) and "source.sha256" in str(e.value)
    assert len(server.asked) == 1
    assert_nothing_left(tmp_path / "d")


def test_cut_connection(server, tmp_path):
    """A connection that is cut is tried again, and then an error."""
    with pytest.raises(InputError, match="cut after 1000 of 128000 bytes.*run.mirror"):
        fetch(f"{server.url}/cut.tif", tmp_path / "d" / "rock.tif")
    assert len(server.asked) == 3
    assert_nothing_left(tmp_path / "d")


@pytest.mark.parametrize("name", ["cut_once.tif", "busy.tif"])
def test_a_failure_that_passes(server, tmp_path, name):
    """One cut connection or one busy answer is no error."""
    fetch(f"{server.url}/{name}", tmp_path / "rock.tif")
    assert (tmp_path / "rock.tif").read_bytes() == CONTENT
    assert len(server.asked) == 2


def test_missing_file(server, tmp_path):
    """A wrong address is an error at once."""
    with pytest.raises(InputError, match="answered 404 .*missing.tif"):
        fetch(f"{server.url}/missing.tif", tmp_path / "d" / "rock.tif")
    assert len(server.asked) == 1
    assert_nothing_left(tmp_path / "d")


def test_nobody_answers(server, tmp_path):
    """A server that can't be reached is an error that tells about the mirror."""
    url = "http://127.0.0.1:1/rock.tif"
    with pytest.raises(InputError, match="could not be read.*run.mirror"):
        fetch(url, tmp_path / "d" / "rock.tif")
    assert_nothing_left(tmp_path / "d")


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    """A destination with another checksum is replaced."""
    (tmp_path / "rock.tif").write_bytes(b"damaged")
    fetch(f"{server.url}/rock.tif", tmp_path / "rock.tif")
    assert (tmp_path / "rock.tif").read_bytes() == CONTENT


def test_mirror(server, tmp_path):
    """A mirror with the decoded name is used, and the network is not; a bad copy is refused."""
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "my rock.tif").write_bytes(CONTENT)
    fetch(f"{server.url}/my%20rock.tif", tmp_path / "rock.tif", mirror=mirror)
    assert (tmp_path / "rock.tif").read_bytes() == CONTENT and not server.asked
    (mirror / "my rock.tif").write_bytes(b"other")
    with pytest.raises(InputError, match="mirror/my rock.tif has the checksum"):
        fetch(f"{server.url}/my%20rock.tif", tmp_path / "d" / "rock.tif", mirror=mirror)
    assert not server.asked
    assert_nothing_left(tmp_path / "d")


def test_mirror_without_the_file(server, tmp_path):
    """A mirror that lacks the file is passed over."""
    fetch(f"{server.url}/rock.tif", tmp_path / "rock.tif", mirror=tmp_path)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "url", ["file:///etc/hosts", "rock.tif", "http://127.0.0.1/", "http://[::1/rock.tif"]
)
def test_bad_addresses(tmp_path, url):
    """Only web addresses of files are downloads."""
    with pytest.raises(InputError, match="source.url"):
        fetch(url, tmp_path / "d" / "rock.tif", mirror=tmp_path)
