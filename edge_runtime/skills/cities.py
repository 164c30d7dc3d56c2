"""Time zones by the names of cities and countries."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

_REGIONS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
_MORE = {
    "san francisco": "America/Los_Angeles", "seattle": "America/Los_Angeles", "las vegas": "America/Los_Angeles",
    "california": "America/Los_Angeles", "boston": "America/New_York", "miami": "America/New_York",
    "washington": "America/New_York", "philadelphia": "America/New_York", "atlanta": "America/New_York",
    "houston": "America/Chicago", "dallas": "America/Chicago", "montreal": "America/Toronto",
    "rio de janeiro": "America/Sao_Paulo", "rio": "America/Sao_Paulo", "beijing": "Asia/Shanghai",
    "mumbai": "Asia/Kolkata", "delhi": "Asia/Kolkata", "new delhi": "Asia/Kolkata", "bangalore": "Asia/Kolkata",
    "abu dhabi": "Asia/Dubai", "osaka": "Asia/Tokyo", "kyoto": "Asia/Tokyo", "hanoi": "Asia/Bangkok",
    "saigon": "Asia/Ho_Chi_Minh", "munich": "Europe/Berlin", "hamburg": "Europe/Berlin", "frankfurt": "Europe/Berlin",
    "cologne": "Europe/Berlin", "barcelona": "Europe/Madrid", "milan": "Europe/Rome", "naples": "Europe/Rome",
    "geneva": "Europe/Zurich", "basel": "Europe/Zurich", "edinburgh": "Europe/London", "manchester": "Europe/London",
    "kyiv": "Europe/Kyiv", "wellington": "Pacific/Auckland", "cape town": "Africa/Johannesburg",
    "canberra": "Australia/Sydney", "hawaii": "Pacific/Honolulu", "japan": "Asia/Tokyo", "germany": "Europe/Berlin",
    "france": "Europe/Paris", "italy": "Europe/Rome", "england": "Europe/London", "the uk": "Europe/London",
    "scotland": "Europe/London", "ireland": "Europe/Dublin", "india": "Asia/Kolkata", "china": "Asia/Shanghai",
    "korea": "Asia/Seoul", "south korea": "Asia/Seoul", "thailand": "Asia/Bangkok", "vietnam": "Asia/Ho_Chi_Minh",
    "turkey": "Europe/Istanbul", "greece": "Europe/Athens", "sweden": "Europe/Stockholm", "norway": "Europe/Oslo",
    "denmark": "Europe/Copenhagen", "finland": "Europe/Helsinki", "poland": "Europe/Warsaw", "austria": "Europe/Vienna",
    "switzerland": "Europe/Zurich", "belgium": "Europe/Brussels", "the netherlands": "Europe/Amsterdam",
    "new zealand": "Pacific/Auckland", "south africa": "Africa/Johannesburg", "egypt": "Africa/Cairo",
    "kenya": "Africa/Nairobi", "argentina": "America/Argentina/Buenos_Aires", "utc": "Etc/UTC", "gmt": "Etc/UTC",
}  # fmt: skip
"""What the zones' own names lack; no country with several zones."""


def zone_of(place: str) -> ZoneInfo | None:
    """Return the time zone of a city or small country in lower case, None where it is not known for certain."""
    key = _names().get(place.removeprefix("the ") if place not in _MORE else place)
    return ZoneInfo(key) if key else None


@cache
def _names() -> dict[str, str]:
    known = available_timezones()
    found: dict[str, str] = {}
    for key in sorted(known):
        if key.startswith(_REGIONS):
            found.setdefault(key.rsplit("/", 1)[1].replace("_", " ").lower(), key)
    return found | {name: key for name, key in _MORE.items() if key in known or key == "Etc/UTC"}
