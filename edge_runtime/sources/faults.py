"""Why a camera gives no picture, in words that say what to do; and whether anybody is there at all."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

_KNOCK_TIMEOUT_S = 1.5
_HELLO_TIMEOUT_S = 1.5
_RTSP = b"RTSP/"
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

_ADDRESS = re.compile(r"Connection to \S+ failed: ")

MOST_PIXELS = 36_000_000
"""Of a camera's picture, 8K; one of 16,000 x 16,000, few kB on the wire, takes 768 MB in each process that holds it."""
TOO_LARGE = f"sends pictures of more than {MOST_PIXELS // 1_000_000} megapixels: choose a smaller stream of it"
LOGIN_REFUSED = "refuses the login"
_ADVICE = (
    (r"\b401\b|unauthorized", f"{LOGIN_REFUSED}: check the user name and the password in its address"),
    (r"\b403\b|forbidden", "forbids this stream: check what its user is allowed to see"),
    (r"\b404\b|not found", "has no such stream: check the path in its address"),
    (r"\b453\b|not enough bandwidth|\b503\b", "has no room for one more viewer: close another one"),
    (r"\b461\b|unsupported transport|nonmatching transport", "does not send that way: set its transport to auto"),
    (r"connection refused", "refuses connections: is it switched on, and is the port right?"),
    (r"no route to host|unreachable|connection timed out|nobody answers", "cannot be reached: is it on the network?"),
    (r"resolve|name or service not known|name resolution|no address", "is not known by that name on this network"),
    (
        r"decod|invalid (data|nal)|no frame|conceal|corrupt|missing picture|non-existing pps|damaged",
        "sends data that is no whole picture: a weak network link, or a fault of the camera",
    ),
)


def explain(problem: str) -> str:
    """Return the problem with what it means put before it, where that is known."""
    problem = _ADDRESS.sub("", problem)
    for pattern, meaning in _ADVICE:
        if re.search(pattern, problem, re.IGNORECASE):
            return f"{meaning} ({problem})"
    return problem


def host_of(url: str) -> tuple[str, int, str] | None:
    """Return who serves a stream over TCP: host, port and scheme; None where that cannot be asked."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme.lower())
    except ValueError:
        return None
    scheme = parts.scheme.lower()
    if not parts.hostname or port is None or scheme not in _PORTS:
        return None
    return parts.hostname, port, scheme


def is_number(host: str) -> bool:
    """Tell whether a host is given by its number: a name may take half a minute to be looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def knock(host: str, port: int, scheme: str = "") -> str:
    """Return why nobody lets us in at `host`, nothing where somebody does; takes 3 s at most, names aside.

    Who serves `rtsp` must answer, too (OPTIONS, RFC 2326): with one that is there and talks nonsense, or nothing,
    opening the stream would hang long after all is well again.
    """
    try:
        with socket.create_connection((host, port), _KNOCK_TIMEOUT_S) as line:
            return _hello(line, host, port) if scheme == "rtsp" else ""
    except TimeoutError:
        return f"cannot be opened: nobody answers at port {port}"
    except OSError as error:
        return f"cannot be opened: {error.strerror or error}"


def _hello(line: socket.socket, host: str, port: int) -> str:
    line.settimeout(_HELLO_TIMEOUT_S)
    name = f"[{host}]" if ":" in host else host
    line.sendall(f"OPTIONS rtsp://{name}:{port}/ RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
    said = b""
    while len(said) < len(_RTSP) and _RTSP.startswith(said):
        more = line.recv(len(_RTSP) - len(said))
        if not more:
            return f"cannot be opened: what listens at port {port} hangs up"
        said += more
    return "" if said == _RTSP else f"cannot be opened: what answers at port {port} does not speak RTSP"
