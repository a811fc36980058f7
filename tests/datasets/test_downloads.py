import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from helpers.datasets import downloads
from helpers.datasets.archives import DataError

CONTENT = bytes(range(256)) * 4000
PIECE = 1 << 16  # what a broken reply gives is kept in whole pieces
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(HTTPServer):
    """Sends CONTENT; `cuts` lists after how many bytes each reply breaks off, `asked` the ranges seen."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts, self.asked, self.ranges, self.status = [], [], True, 200
        self.url = f"http://127.0.0.1:{self.server_port}/set.zip"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.asked.append(wanted)
        start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges else 0
        body = CONTENT[start:] if server.status == 200 else b""
        self.send_response(
            server.status if server.status != 200 else 416 if not body else 206 if start else 200
        )
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def visible(folder):
    return [path.name for path in folder.iterdir() if not path.name.startswith(".")]


def test_a_file_is_fetched_once(server, tmp_path):
    path = tmp_path / "raw" / "set.zip"
    for _ in range(2):
        assert downloads.fetch(server.url, path, MD5) == path
        assert path.read_bytes() == CONTENT
    assert server.asked == [None]
    assert visible(path.parent) == ["set.zip"]


def test_a_broken_connection_is_taken_up_where_it_broke(server, tmp_path):
    server.cuts = [4 * PIECE + 1, 8 * PIECE]
    downloads.fetch(server.url, tmp_path / "set.zip", MD5)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT
    assert server.asked == [None, f"bytes={4 * PIECE}-", f"bytes={12 * PIECE}-"]


def test_a_later_run_goes_on_with_the_partial_file(server, tmp_path):
    server.cuts = [5 * PIECE, 0]
    with pytest.raises(DataError, match="cannot be downloaded"):
        downloads.fetch(server.url, tmp_path / "set.zip", MD5)
    assert not (tmp_path / "set.zip").exists()
    assert (tmp_path / "set.zip.part").stat().st_size == 5 * PIECE
    downloads.fetch(server.url, tmp_path / "set.zip", MD5)
    assert server.asked[-1] == f"bytes={5 * PIECE}-"
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_complete_partial_file_is_taken_as_it_is(server, tmp_path):
    (tmp_path / "set.zip.part").write_bytes(CONTENT)
    downloads.fetch(server.url, tmp_path / "set.zip", MD5)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.ranges = False
    (tmp_path / "set.zip.part").write_bytes(CONTENT[:1000])
    downloads.fetch(server.url, tmp_path / "set.zip", MD5)
    assert (tmp_path / "set.zip").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing_behind(server, tmp_path):
    with pytest.raises(DataError, match="wrong checksum"):
        downloads.fetch(server.url, tmp_path / "set.zip", "0" * 32)
    assert not visible(tmp_path)


def test_a_refusal_says_its_status(server, tmp_path):
    server.status = 404
    with pytest.raises(DataError, match="status 404"):
        downloads.fetch(server.url, tmp_path / "set.zip", MD5)
    assert len(server.asked) == 1
    assert not visible(tmp_path)


def test_two_at_once_download_once(server, tmp_path):
    path = tmp_path / "set.zip"
    threads = [threading.Thread(target=downloads.fetch, args=(server.url, path, MD5)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.asked == [None]
    assert visible(tmp_path) == ["set.zip"]


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "raw").write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"cannot be stored as .*raw"):
        downloads.fetch(server.url, tmp_path / "raw" / "set.zip", MD5)
