"""Why a camera gives no picture, in words that say what to do; and whether anybody is there at all."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

_KNOCK_TIMEOUT_S = 1.5
_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

_ADDRESS = re.compile(r"Connection to \S+ failed: ")

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


def host_of(url: str) -> tuple[str, int] | None:
    """Return who serves a stream over TCP, None where that cannot be asked."""
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme.lower())
    except ValueError:
        return None
    if not parts.hostname or port is None or parts.scheme.lower() not in _PORTS:
        return None
    return parts.hostname, port


def is_number(host: str) -> bool:
    """Tell whether a host is given by its number: a name may take half a minute to be looked up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def knock(host: str, port: int) -> str:
    """Return why nobody lets us in at `host`, nothing where somebody does; takes 1.5 s at most, names aside."""
    try:
        socket.create_connection((host, port), _KNOCK_TIMEOUT_S).close()
    except TimeoutError:
        return f"cannot be opened: nobody answers at port {port}"
    except OSError as error:
        return f"cannot be opened: {error.strerror or error}"
    return ""
