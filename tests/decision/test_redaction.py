from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.decision.redaction import Redactor

PRIVATE = Redactor(["Ann", "Müller", "Mary Jane", "villa sol"])


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        pytest.param("mail ann.b+x@mail.example.org now", "mail [email] now", id="e-mail"),
        pytest.param("mail root@localhost", "mail [email]", id="e-mail without a dot"),
        pytest.param("write to joe (at) example (dot) com", "write to [email]", id="e-mail in disguise"),
        pytest.param("write to joe dot miller at example dot com", "write to [email]", id="e-mail as it is spoken"),
        pytest.param("call +49 (0) 170 123-4567", "call [phone]", id="phone with country code"),
        pytest.param("call 555-867-5309.", "call [phone].", id="phone with dashes"),
        pytest.param("is (212) 867-5309 right", "is [phone] right", id="phone with brackets"),
        pytest.param("is 030 1234567 right", "is [phone] right", id="phone with a trunk zero"),
        pytest.param("is 212 867 5309 right", "is [phone] right", id="phone that the tables know"),
        pytest.param("my number is 8675309", "my number is [phone]", id="phone by what is said before"),
        pytest.param("five five five eight six seven five", "[phone]", id="phone as it is spoken"),
        pytest.param("pay with 4111 1111 1111 1111", "pay with [card]", id="card with spaces"),
        pytest.param("pay with 4111111111111111 please", "pay with [card] please", id="card without spaces"),
        pytest.param("2 378282246310005", "2 [card]", id="card after another number"),
        pytest.param("send it to DE89 3704 0044 0532 0130 00", "send it to [account]", id="bank account"),
        pytest.param("gb82west12345698765432 now", "[account] now", id="bank account in small letters"),
        pytest.param("my iban DE00 3704 0044 0532 0130 00", "my iban [account]", id="bank account mistyped"),
        pytest.param("is 192.168.1.20 up", "is [ip] up", id="address in the network"),
        pytest.param("is fe80::1ff:fe23:4567:890a up", "is [ip] up", id="long address in the network"),
        pytest.param("is aa:bb:cc:dd:ee:ff up", "is [mac] up", id="hardware address"),
        pytest.param("key sk-proj-abcdefghijklmnop1234", "key [key]", id="endpoint key"),
        pytest.param("AKIAIOSFODNN7EXAMPLE1 is it", "[key] is it", id="access key"),
        pytest.param("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "[key]", id="secret key of a cloud"),
        pytest.param("AIzaSyA-1234567890abcdefghijklmnopqrstu", "[key]", id="key of a map service"),
        pytest.param("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "[key]", id="key of a code host"),
        pytest.param("xoxb-123456789012-abcdefghijkl", "[key]", id="key of a chat"),
        pytest.param("sk_live_abcdefghijklmnop", "[key]", id="key of a payment service"),
        pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[key]", id="web token"),
        pytest.param("Authorization: Bearer abc123def456ghi", "Authorization: Bearer [key]", id="bearer token"),
        pytest.param("use 3f2a9c7b5d1e8f604a2b6c8d0e1f3a5b", "use [key]", id="long hexadecimal token"),
        pytest.param("-----BEGIN RSA PRIVATE KEY-----\nMII\nx", "[key]", id="private key cut short"),
        pytest.param("a -----BEGIN PGP PRIVATE KEY BLOCK-----\nx\n-----END PGP PRIVATE KEY BLOCK----- b", "a [key] b",
                     id="private key of mail"),
        pytest.param("my password is hunter2 ok", "my password is [secret] ok", id="password"),
        pytest.param('the password for the wifi is "two words"', 'the password for the wifi is "[secret]"',
                     id="password of two words"),
        pytest.param('my passwords are ["hunter2", "a"]', 'my passwords are ["[secret]", "[secret]"]',
                     id="several in a list"),
        pytest.param('password: {"wifi": "hunter2"} ok', 'password: {"wifi": "[secret]"} ok',
                     id="several by their names"),
        pytest.param("the alarm code is [4711]", 'the alarm code is ["[secret]"]', id="code in brackets"),
        pytest.param('the number is ["x"]', 'the number is ["x"]', id="a list of nothing private"),
        pytest.param("Passwort: geheim!", "Passwort: [secret]", id="password in German"),
        pytest.param("pin 1234", "pin [secret]", id="number to log in"),
        pytest.param("the alarm code is 4711", "the alarm code is [secret]", id="code of the alarm"),
        pytest.param("my pin is one two three four", "my pin is [secret]", id="number to log in as it is spoken"),
        pytest.param("api_key=abcd1234 x", "api_key=[secret] x", id="key in a setting"),
        pytest.param("rtsp://admin:pa55@10.0.0.8/live", "rtsp://[login]/live", id="camera address"),
        pytest.param("use joe:pa55@nas for it", "use [login] for it", id="login without an address"),
        pytest.param("https://x.org/a?b=1&token=abc", "https://x.org/a?b=1&token=[key]", id="secret in an address"),
        pytest.param("at 12 Baker Street, London NW1 6XE", "at [address], London [address]", id="British address"),
        pytest.param("1600 Pennsylvania Avenue NW, DC 20500", "[address] NW, [address]", id="American address"),
        pytest.param("5 Elm Dr apt 4b is home", "[address] is home", id="American flat"),
        pytest.param("Hauptstraße 5a, 10115 Berlin", "[address], [address]", id="German address"),
        pytest.param("Unter den Linden 77", "[address]", id="German address without a street"),
        pytest.param("zip code 90210", "zip code [address]", id="postal code by its name"),
        pytest.param("it is at 52.5200, 13.4050", "it is at [place]", id="coordinates"),
        pytest.param("40°26'46\"N 79°58'56\"W", "[place] [place]", id="coordinates in degrees"),
        pytest.param("ssn 078-05-1120", "ssn [id]", id="social security number"),
        pytest.param("passport number C01X00T47", "passport number [id]", id="passport"),
        pytest.param("number 123456789012", "number [number]", id="any long number"),
        pytest.param("see /home/joe/x", "see /home/[user]/x", id="name in a path"),
        pytest.param("is Ann or ANN's mother there", "is [private] or [private] mother there", id="private word"),
        pytest.param("MULLER, Müller’s", "[private], [private]", id="private word without its accent"),  # noqa: RUF001
        pytest.param("mary  jane in Villa Sol", "[private] in [private]", id="private words"),
        pytest.param("a\u200bnn@exam\u00adple.org", "[email]", id="e-mail behind characters that nobody sees"),
        pytest.param("Ａｎｎ", "[private]", id="private word in wide letters"),  # noqa: RUF001
        pytest.param("４１１１ １１１１ １１１１ １１１１", "[card]", id="card in wide digits"),  # noqa: RUF001
        pytest.param("call ٠٣٠ ١٢٣٤٥٦٧", "call [phone]", id="phone in Arabic digits"),
        pytest.param("call 555\u2011867\u20115309", "call [phone]", id="phone with other dashes"),
    ],
)  # fmt: skip
def test_private_things_go(text: str, safe: str) -> None:
    assert PRIVATE.redact(text).text == safe


@pytest.mark.parametrize(
    "text",
    [
        "how many people are at the door?",
        "what happened at 14:05 on the 3rd?",
        "is 1024 more than 1000?",
        "did the bus number 4711 pass?",
        "who came on 2026-11-23 at 07:30:15 or on 23.11.2026 or 11/23/26?",
        "it is -3.5 degrees or 21 °C, 1013.25 hPa, at 50 % humidity",
        "1.299.000 EUR, $1,299.99, 12,50 €, 1 000 000 people",
        "add 12 15 18 20 22",
        "20 people on the street, 3 people walk, 2 cats in a row",
        "is my password safe? my password is not working",
        "set a timer for 10 minutes and 30 seconds",
        "what is 8388608 divided by 3.14159265358979?",
        "how-to-bake-a-cake-in-30-minutes and getUserName",
        "Annabel annoys; between 100-200 cars",
        "Straße, naïve, 日本語, emoji 👩\u200d👧 and a\u00a0space stay as they are",
        'answer as {"label": "cat", "count": 3, "at": [0.25, 0.5]}',
    ],
)
def test_plain_questions_stay(text: str) -> None:
    assert PRIVATE.redact(text).text == text
    assert PRIVATE.redact(text).counts == {}


def test_what_was_taken_out_is_counted_by_kind() -> None:
    assert PRIVATE.redact("a@b.org, c@d.org, Ann, pin 1234").counts == {"email": 2, "private": 1, "secret": 1}


def test_json_stays_json_and_names_tell_what_values_are() -> None:
    value = {
        "phone": 5558675309, "password": "a b", "mail": ["x@y.org"], "who": "Ann \"A\" O'Neil", "n": 3,
        "note": "call\n+49 170 1234567", "ok": True,
    }  # fmt: skip
    redacted = PRIVATE.redact(f"before x@y.org {json.dumps(value)} after Ann")
    head, _, rest = redacted.text.partition("{")
    body, _, tail = rest.rpartition("}")
    assert (head, tail) == ("before [email] ", " after [private]")
    assert json.loads("{" + body + "}") == {
        "phone": "[number]", "password": "[secret]", "mail": ["[email]"], "who": "[private] \"A\" O'Neil", "n": 3,
        "note": "call\n[phone]", "ok": True,
    }  # fmt: skip


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(JSON.filter(lambda value: isinstance(value, dict | list)), st.booleans())
def test_any_json_stays_json(value: object, ascii_only: bool) -> None:
    json.loads(PRIVATE.redact(json.dumps(value, ensure_ascii=ascii_only)).text)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200), st.text(max_size=60))
def test_a_secret_goes_whatever_stands_around_it(before: str, after: str) -> None:
    for secret in ("joe.miller@example.org", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"):
        assert secret not in PRIVATE.redact(f"{before} {secret} {after}").text


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        "a1-", "a.", "1 ", "1", "a", "a@", "a:", "AB12 ", "a://b:", "-----BEGIN PRIVATE KEY-----", "[", '{"a":',
        '{"a":1},', "password is ", "12 a ", "one ", "a dot ", "\uff14 ", "DE89 ", "(1", "+1", "?key=", "\\u", '"',
        " at ", "1:", "a_key:", "Via a ", "lat 1.", "aA1/", "Am A", "\u200b", "é", "5 Elm ", "pin ", "0-", "Ann ",
    ],
)  # fmt: skip
def test_a_long_text_takes_no_long_time(piece: str) -> None:
    PRIVATE.redact(piece * (100_000 // len(piece)))


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="1 .-+():/@aA\"'{}[],=_\n", min_size=1, max_size=12))
def test_no_repeated_piece_is_slow(piece: str) -> None:
    Redactor().redact(piece * (20_000 // len(piece)))
