from __future__ import annotations

import pytest

from edge_runtime.decision.redaction import redact_text


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        pytest.param("mail ann.b+x@mail.example.org now", "mail [email] now", id="e-mail"),
        pytest.param("call +49 (0) 170 123-4567", "call [phone]", id="phone with country code"),
        pytest.param("call 555-867-5309.", "call [phone].", id="phone with dashes"),
        pytest.param("pay with 4111 1111 1111 1111", "pay with [card]", id="card with spaces"),
        pytest.param("pay with 4111111111111111 please", "pay with [card] please", id="card without spaces"),
        pytest.param("send it to DE89 3704 0044 0532 0130 00", "send it to [account]", id="bank account"),
        pytest.param("key sk-proj-abcdefghijklmnop1234", "key [key]", id="endpoint key"),
        pytest.param("AKIAIOSFODNN7EXAMPLE1 is it", "[key] is it", id="access key"),
        pytest.param("use 3f2a9c7b5d1e8f604a2b6c8d0e1f3a5b", "use [key]", id="long hexadecimal token"),
        pytest.param("my password is hunter2 ok", "my password is [secret] ok", id="password"),
        pytest.param("rtsp://admin:pa55@10.0.0.8/live", "rtsp://[login]@10.0.0.8/live", id="camera address"),
        pytest.param("-----BEGIN RSA PRIVATE KEY-----\nMII\nx", "[key]", id="private key cut short"),
    ],
)
def test_private_things_go(text: str, safe: str) -> None:
    assert redact_text(text) == safe


@pytest.mark.parametrize(
    "text",
    [
        "how many people are at the door?",
        "what happened at 14:05 on the 3rd?",
        "is 1024 more than 1000?",
        "did the bus number 4711 pass?",
    ],
)
def test_plain_questions_stay(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "piece", ["a1-", "a.", "1 ", "1", "a", "a@", "a:", "AB12 ", "a://b:", "-----BEGIN PRIVATE KEY-----"]
)
def test_a_long_text_takes_no_long_time(piece: str) -> None:
    redact_text(piece * 50_000)
