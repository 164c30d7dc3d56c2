"""Every way an endpoint can fail: the question ends by its deadline, honestly, at the right price, with no secret."""

from __future__ import annotations

import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cloud_rig import USED_USD, Rig, asked, worst_usd
from openai_server import KEY, Reply, completion, failure, serving, streamed

from edge_runtime.cloud.client import MissingModelError, NotSentError, RefusedError, SilentError
from edge_runtime.errors import (
    CloudAuthError,
    CloudError,
    CloudProtocolError,
    CloudRateLimitError,
    CloudUnavailableError,
)
from edge_runtime.types import Answer, Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WAIT_S = 3.0
GRACE_S = 2.0
"""What a loaded machine may take on top."""
USER = "user:hunter2@"


@dataclass(frozen=True)
class Fault:
    """What goes wrong, what the asker learns, and how many calls may have been billed at their worst case."""

    script: list[Reply]
    error: type[CloudError] | None
    billed: int
    tries: int


FAULTS = {
    "401": Fault([failure(401)], CloudAuthError, 0, 1),
    "no such model": Fault([failure(404, "model_not_found")], MissingModelError, 0, 1),
    "429 without Retry-After": Fault([failure(429), completion()], None, 0, 2),
    "429 with Retry-After": Fault([failure(429, Retry_After="1"), completion()], None, 0, 2),
    "429 that asks for more time than there is": Fault([failure(429, Retry_After="60")], CloudRateLimitError, 0, 1),
    "500 twice, then good": Fault([failure(500), failure(500), completion()], None, 2, 3),
    "500 three times": Fault([failure(500), failure(500), failure(500), completion()], CloudUnavailableError, 3, 3),
    "200 with garbage": Fault([Reply(body=b"\x00\xff garbage")], CloudProtocolError, 1, 1),
    "60 s of silence": Fault([Reply(hang_s=60)], SilentError, 1, 1),
    "a byte a second": Fault([Reply(body=b"{" * 1000, drip_s=1)], SilentError, 1, 1),
    "a body of 100 MB": Fault([Reply(padding=100_000_000)], CloudProtocolError, 1, 1),
    "a refusal of 100 MB": Fault([Reply(400, padding=100_000_000)], RefusedError, 0, 1),
}


def told(rig: Rig, urls: str | dict[str, str], wait_s: float = WAIT_S, **request: Any) -> Answer | CloudError:
    """Ask, and return what came of it by the deadline."""
    responder = rig.make(urls, timeout_s=60.0)
    start = time.monotonic()
    result: Answer | CloudError
    try:
        result = responder.answer(asked(wait_s=wait_s, **request))
    except CloudError as error:
        result = error
    assert time.monotonic() - start < wait_s + GRACE_S
    return result


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_of_the_endpoint(rig: Rig, fault: Fault, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving() as endpoint:
        endpoint.script = list(fault.script)
        result = told(rig, endpoint.url.replace("//", f"//{USER}"))
        assert len(endpoint.requests) == fault.tries
        rig.wait_until_settled(2 * fault.tries)
        worst = worst_usd(endpoint.requests[0])
    if fault.error is None:
        assert isinstance(result, Answer)
        assert result.origin is Origin.CLOUD
    else:
        assert type(result) is fault.error
    paid = fault.billed * worst + (0 if fault.error else USED_USD)
    assert rig.gone_usd == pytest.approx(paid)
    shown = f"{result} {caplog.text}"
    assert KEY not in shown
    assert "hunter2" not in shown
    assert "\n" not in str(result)


def test_half_a_stream_is_no_answer(rig: Rig) -> None:
    heard: list[str] = []
    with serving() as endpoint:
        endpoint.script = [Reply(stream=streamed(["A ", "red ", "ball "], done=False), body=b"")]
        result = told(rig, endpoint.url, on_text=heard.append)
        assert len(endpoint.requests) == 1, "what was heard cannot be taken back"
        worst = worst_usd(endpoint.requests[0])
    assert type(result) is CloudUnavailableError
    assert "".join(heard) == "A red ball"
    rig.wait_until_settled(2)
    assert rig.gone_usd == pytest.approx(worst)


def closed_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def no_such_host(*_: object, **__: object) -> list[Any]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    "looked_up",
    [pytest.param(None, id="refused port"), pytest.param(no_such_host, id="a name that is not known")],
)
def test_without_a_connection_nothing_is_paid(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, looked_up: Callable[..., Any] | None
) -> None:
    if looked_up is not None:
        monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    result = told(rig, f"http://{USER}127.0.0.1:{closed_port()}/v1")
    assert type(result) is NotSentError
    assert "hunter2" not in str(result)
    assert rig.gone_usd == 0


def test_a_name_lookup_that_hangs_is_left(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    free = threading.Event()

    def hangs(*_: object, **__: object) -> list[Any]:
        free.wait(60)
        return no_such_host()

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    try:
        assert type(told(rig, "http://somewhere.invalid/v1", wait_s=0.5)) is SilentError
    finally:
        free.set()
    rig.wait_until_settled(2)
    assert rig.gone_usd == 0, "nothing was sent"


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_says_nothing_at_all_is_left(rig: Rig, scheme: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        result = told(rig, f"{scheme}://127.0.0.1:{port}/v1", wait_s=0.7)
    assert isinstance(result, CloudUnavailableError)


def test_headers_that_drip_are_left(rig: Rig) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000:
                    if over.wait(0.1):
                        return
                    try:
                        connection.sendall(bytes([byte]))
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert isinstance(told(rig, f"http://127.0.0.1:{server.getsockname()[1]}/v1", 0.7), CloudUnavailableError)
        finally:
            over.set()
            thread.join(10)


OPENSSL = shutil.which("openssl")
AUTHORITY = """
[ca]
default_ca = one
[one]
dir = {folder}
new_certs_dir = {folder}
database = {folder}/index
serial = {folder}/serial
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = IP:127.0.0.1
basicConstraints = critical,CA:TRUE
"""


def certificate(folder: Path, last_day: str) -> tuple[Path, Path]:
    """Return a certificate for 127.0.0.1 that signs itself and ends on a day, yymmdd, and its key."""
    folder.mkdir()
    (folder / "index").touch()
    (folder / "serial").write_text("01")
    (folder / "ca.cnf").write_text(AUTHORITY.format(folder=folder))
    key, request, made = folder / "key.pem", folder / "request.pem", folder / "certificate.pem"

    def openssl(*arguments: object) -> None:
        subprocess.run([str(OPENSSL), *map(str, arguments)], check=True, capture_output=True, timeout=60)

    openssl(
        "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key,
        "-out", request, "-subj", "/CN=loopback",
    )  # fmt: skip
    openssl(
        "ca", "-batch", "-selfsign", "-config", folder / "ca.cnf", "-keyfile", key, "-in", request, "-out", made,
        "-startdate", "200101000000Z", "-enddate", f"{last_day}000000Z", "-notext",
    )  # fmt: skip
    return made, key


@pytest.mark.skipif(OPENSSL is None, reason="makes its certificates with the openssl program")
@pytest.mark.parametrize(
    ("last_day", "works"),
    [pytest.param("200102", False, id="out of date"), pytest.param("491231", True, id="in date")],
)
def test_a_certificate_out_of_date_is_told_as_such(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last_day: str, works: bool
) -> None:
    made, key = certificate(tmp_path / "tls", last_day)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with serving(context) as endpoint:
        result = told(rig, endpoint.url)
        assert bool(endpoint.requests) is works
    if works:
        assert isinstance(result, Answer)
    else:
        assert type(result) is NotSentError
        assert "certificate has expired" in str(result)
        assert "clock" in str(result)
        assert rig.gone_usd == 0


def test_a_proxy_that_sends_elsewhere_is_not_followed(rig: Rig) -> None:
    with serving() as elsewhere, serving() as endpoint:
        endpoint.script = [Reply(307, headers={"Location": f"{elsewhere.url}/chat/completions"})]
        assert isinstance(told(rig, endpoint.url), CloudProtocolError)
        assert elsewhere.requests == []


def test_hung_calls_of_one_provider_leave_the_other_free(rig: Rig) -> None:
    with serving() as hangs, serving() as works:
        hangs.script = [Reply(hang_s=60)]
        responder = rig.make({"first": hangs.url, "second": works.url}, timeout_s=0.3)
        for call in range(3):
            assert responder.answer(asked()).model == "second/gpt-4o-mini", call


def test_an_endpoint_in_trouble_is_named_for_the_owner(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with serving() as bad, serving() as good:
        bad.script = [failure(401)]
        rig.make({"first": bad.url, "second": good.url}).answer(asked())
    assert "EDGE_CLOUD_API_KEY" in caplog.text
