"""`kycgate attestation` answers scripts: one JSON document, published members, published codes."""

from __future__ import annotations

import io
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from kycgate.cli import main
from kycgate.core.attestation import Domain
from kycgate.core.claims import Digest, checksum
from kycgate.core.typed import keccak, word_address, word_uint
from tests.core import world

ISSUER = checksum(world.ISSUER.address)
MEMBERS = ["verdict", "reason", "uid", "issuer", "account", "revocation"]


@pytest.fixture
def document(tmp_path: Path) -> str:
    path = tmp_path / "attestation.json"
    path.write_bytes(world.signed().to_wire())
    return str(path)


@pytest.fixture
def trust(tmp_path: Path) -> str:
    path = tmp_path / "trust.json"
    path.write_bytes(world.TRUST.to_wire(world.ROOT.sign_digest))
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["attestation", "verify", "--json", "--at", str(world.NOW), *words])
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == MEMBERS
    return code, answer


def test_valid_by_trust_list_exits_0(
    capsys: pytest.CaptureFixture[str], document: str, trust: str
) -> None:
    code, answer = run(capsys, document, "--trust", trust)
    assert code == 0
    assert answer == {
        "verdict": "valid",
        "reason": None,
        "uid": "0x" + world.SAID.uid().hex(),
        "issuer": ISSUER,
        "account": checksum(world.RENTER.address),
        "revocation": "not_checked",
    }


def test_valid_by_issuer_from_stdin_exits_0(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(world.signed().to_wire()))
    monkeypatch.setattr(sys, "stdin", stdin)
    assert run(capsys, "-", "--issuer", ISSUER)[0] == 0


def test_without_trust_undecided_exits_2(capsys: pytest.CaptureFixture[str], document: str) -> None:
    code, answer = run(capsys, document)
    assert (code, answer["verdict"], answer["reason"]) == (2, "undecided", "trust_missing")
    assert answer["issuer"] == ISSUER


@pytest.mark.parametrize(
    "words, reason",
    [
        (("--issuer", checksum(world.STRANGER.address)), "issuer_unknown"),
        (("--issuer", ISSUER, "--at", str(world.NOW + 86400)), "expired"),
        (("--issuer", ISSUER, "--at", "5"), "not_yet_valid"),
        (("--issuer", ISSUER, "--schema", "0x" + "00" * 32), "schema_mismatch"),
    ],
)
def test_invalid_exits_1_with_its_reason(
    capsys: pytest.CaptureFixture[str], document: str, words: tuple[str, ...], reason: str
) -> None:
    code, answer = run(capsys, document, *words)
    assert (code, answer["verdict"], answer["reason"]) == (1, "invalid", reason)


def test_trust_list_and_issuer_together_must_both_hold(
    capsys: pytest.CaptureFixture[str], document: str, trust: str
) -> None:
    assert run(capsys, document, "--trust", trust, "--issuer", ISSUER)[0] == 0
    other = checksum(world.STRANGER.address)
    code, answer = run(capsys, document, "--trust", trust, "--issuer", other)
    assert (code, answer["reason"]) == (1, "issuer_unknown")


def test_trust_list_of_another_root_decides_nothing(
    capsys: pytest.CaptureFixture[str], document: str, trust: str
) -> None:
    other = checksum(world.STRANGER.address)
    code, answer = run(capsys, document, "--trust", trust, "--root", other)
    assert (code, answer["verdict"], answer["reason"]) == (2, "undecided", "trust_signature")


def test_any_schema_reads_other_peoples(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "foreign.json"
    foreign = world.altered(schema=Digest(b"\1" * 32), data=b"hi", expiration_time=0)
    path.write_bytes(foreign.to_wire())
    assert run(capsys, str(path), "--issuer", ISSUER)[0] == 1
    assert run(capsys, str(path), "--issuer", ISSUER, "--schema", "any")[0] == 0


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b'{"uid":1,"uid":2}', b"[" * 9999])
def test_malformed_file_is_invalid_and_shows_no_traceback(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    code = main(["attestation", "verify", str(path), "--issuer", ISSUER, "--json"])
    shown = capsys.readouterr()
    assert code == 1
    assert json.loads(shown.out)["reason"] == "malformed"
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    "words",
    [
        ("/no/such/file",),
        ("FILE", "--issuer", "0x12"),
        ("FILE", "--at", "tomorrow", "--issuer", ISSUER),
        ("FILE", "--schema", "0x12", "--issuer", ISSUER),
        ("FILE", "--trust", "FILE"),
    ],
)
def test_wrong_line_exits_64_with_one_sentence(
    capsys: pytest.CaptureFixture[str], document: str, words: tuple[str, ...]
) -> None:
    line = [document if word == "FILE" else word for word in words]
    assert main(["attestation", "verify", *line]) == 64
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("kycgate: ")


def test_unknown_option_exits_64(capsys: pytest.CaptureFixture[str], document: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["attestation", "verify", document, "--trusted"])
    assert caught.value.code == 64


# -- a chain that answers ------------------------------------------------------------------------
class Node(HTTPServer):
    """An Ethereum node that knows two methods and which marks were revoked when."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.chain_id = 1
        self.marks: dict[bytes, int] = {}
        self.contract = True


class Answer(BaseHTTPRequestHandler):
    server: Node

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if request["method"] == "eth_chainId":
            result = hex(self.server.chain_id)
        else:
            data = bytes.fromhex(request["params"][0]["data"][2:])
            since = self.server.marks.get(data[4:], 0)
            result = "0x" + word_uint(since).hex() if self.server.contract else "0x"
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def chain() -> Iterator[Node]:
    with Node() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def url(chain: Node) -> str:
    return f"http://127.0.0.1:{chain.server_port}"


def mark(by: bytes, value: bytes) -> bytes:
    return word_address(by) + value


UID = mark(world.ISSUER.address, world.SAID.uid())
EPOCH_KEY = keccak(word_address(world.RENTER.address) + word_uint(3))


def test_chain_without_marks_is_clear(
    capsys: pytest.CaptureFixture[str], document: str, chain: Node
) -> None:
    code, answer = run(capsys, document, "--issuer", ISSUER, "--rpc", url(chain))
    assert (code, answer["revocation"]) == (0, "clear")


@pytest.mark.parametrize(
    "key, reason",
    [(UID, "revoked_attestation"), (mark(world.ISSUER.address, EPOCH_KEY), "revoked_epoch")],
)
def test_mark_on_chain_revokes(
    capsys: pytest.CaptureFixture[str], document: str, chain: Node, key: bytes, reason: str
) -> None:
    chain.marks[key] = world.NOW
    code, answer = run(capsys, document, "--issuer", ISSUER, "--rpc", url(chain))
    assert (code, answer["reason"], answer["revocation"]) == (1, reason, "revoked")


def test_revoker_other_than_the_issuer_is_asked(
    capsys: pytest.CaptureFixture[str], document: str, chain: Node
) -> None:
    chain.marks[mark(world.ESCROW, EPOCH_KEY)] = world.NOW
    words = (document, "--issuer", ISSUER, "--rpc", url(chain))
    assert run(capsys, *words)[0] == 0
    assert run(capsys, *words, "--revoker", checksum(world.ESCROW))[0] == 1


def test_mark_set_later_does_not_reach_back(
    capsys: pytest.CaptureFixture[str], document: str, chain: Node
) -> None:
    chain.marks[UID] = world.NOW + 1
    assert run(capsys, document, "--issuer", ISSUER, "--rpc", url(chain))[0] == 0


def test_chain_that_cannot_tell_leaves_it_undecided(
    capsys: pytest.CaptureFixture[str], document: str, chain: Node
) -> None:
    words = (document, "--issuer", ISSUER, "--rpc")
    chain.contract = False
    assert run(capsys, *words, url(chain))[1]["reason"] == "dependency"
    chain.chain_id = 2
    code, answer = run(capsys, *words, url(chain))
    assert (code, answer["verdict"], answer["revocation"]) == (2, "undecided", "not_checked")
    assert run(capsys, *words, "http://127.0.0.1:1")[0] == 2


# -- sign ----------------------------------------------------------------------------------------
SIGN = (
    *("attestation", "sign", "--key", "env:ISSUER_KEY", "--kind", "person", "--level", "2"),
    *("--chain-id", "1", "--eas", checksum(world.EAS), "--eas-version", "1.4.0"),
    *("--recipient", checksum(world.RENTER.address), "--country", "702", "--at", str(world.NOW)),
)


def test_what_is_signed_here_verifies_here(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ISSUER_KEY", "11" * 32)
    assert main(SIGN) == 0
    path = tmp_path / "made.json"
    path.write_text(capsys.readouterr().out)
    code, answer = run(capsys, str(path), "--issuer", ISSUER)
    assert (code, answer["account"]) == (0, checksum(world.RENTER.address))


@pytest.mark.parametrize(
    "words", [("--life", "86401"), ("--country", "1000"), ("--eas-version", ""), ("--epoch", "-1")]
)
def test_what_would_not_verify_is_not_signed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    monkeypatch.setenv("ISSUER_KEY", "11" * 32)
    assert main([*SIGN, *words]) == 64
    assert capsys.readouterr().out == ""


def test_domain_of_the_line_is_the_domain_signed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISSUER_KEY", "11" * 32)
    main([*SIGN, "--chain-id", "8453"])
    domain = json.loads(capsys.readouterr().out)["domain"]
    assert (domain["chainId"], domain["version"]) == ("8453", Domain("1.4.0", 1, world.EAS).version)
