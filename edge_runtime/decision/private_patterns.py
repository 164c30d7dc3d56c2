"""What private things look like in text: one rule for each kind, every one of them linear in the text's length."""

from __future__ import annotations

import ipaddress
import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Check = Callable[[str], bool]

LETTER, DIGIT = re.compile(r"[A-Za-z]"), re.compile(r"\d")

_KEY_SHAPES = (
    r"sk-[\w-]{12,}",
    r"(?:sk|pk|rk)_(?:live|test)_\w{8,}",
    r"(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{12,}",
    r"AIza[\w-]{14,}",
    r"ya29\.[\w-]{14,}",
    r"gh[opsur]_\w{14,}",
    r"github_pat_\w{14,}",
    r"gl(?:pat|dt|rt)-[\w-]{14,}",
    r"xox[abeoprs]-[\w-]{8,}",
    r"xapp-[\w-]{14,}",
    r"SG\.[\w.-]{14,}",
    r"(?:hf|npm|gsk|r8|shpat|shpss|whsec|dop_v1|lin_api|ntn|dckr_pat|tskey)[-_][\w-]{14,}",
    r"pypi-[\w-]{14,}",
    r"(?:AC|SK)[0-9a-f]{32}",
    r"sq0[a-z]{3}-[\w-]{14,}",
    r"AGE-SECRET-KEY-1\w{14,}",
    r"eyJ[\w-]{8,}(?:\.[\w-]{1,}){1,4}\.?",
    r"\d{8,10}:[\w-]{30,}",
)
_KEYS = "|".join(_KEY_SHAPES)
_GUARDED = (
    r"password|passwords|passcode|passphrase|passwort|kennwort|pass ?word|passwd|pwd|pin(?: ?(?:code|number))?|puk|otp|"
    r"secret|token|(?:alarm|door|gate|entry|garage|security|access|unlock|safe|wifi|wi-fi|login|verification)[ -]?"
    r"(?:code|key|pin|number)|(?:recovery|seed) phrase|api[ _-]?key|(?:secret|access|private|session|auth|client|"
    r"refresh)[ _-]?(?:key|token|secret|id)|\w{0,20}_(?:key|token|secret|password|passwd|pwd)"
)
_LINK = r"(?:\s(?:for|of|to|from)(?:\s[\w'\u2019-]{1,30}){1,4})?['\"]?\s{0,3}(?:is|was|are|ist|lautet|=>?|:|->)\s{0,3}"
_QUIET = r"(?:(?:now|still|just|currently|always|simply|called|set|to|probably|the|same|jetzt|noch)\s{1,3}){0,3}"
_STATES_OF_IT = frozenset(
    {
        "not",
        "no",
        "wrong",
        "missing",
        "incorrect",
        "expired",
        "invalid",
        "required",
        "needed",
        "correct",
        "right",
        "too",
        "weak",
        "strong",
        "lost",
        "forgotten",
        "safe",
        "secure",
        "what",
        "in",
        "on",
        "a",
        "an",
        "it",
        "stored",
        "saved",
        "written",
        "known",
        "unknown",
        "hidden",
        "good",
        "bad",
        "ok",
        "okay",
        "fine",
        "used",
    }
)
_NUMBER_WORD = (
    "zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple|null|eins|zwei|zwo|drei|vier|fünf|sechs|"
    "sieben|acht|neun"
)
_ROAD = (
    "street|avenue|ave|road|rd|boulevard|blvd|lane|terrace|parkway|pkwy|highway|hwy|crescent|mews|strasse|straße|"
    "alley|cul-de-sac"
)
_OWN_NAME_ROAD = (
    "St|Dr|Drive|Ln|Ct|Court|Cir|Circle|Pl|Place|Sq|Square|Ter|Way|Close|Cres|Grove|Gardens|Row|Hill|Walk|Green|Trail|"
    "Loop|Plaza|Quay|Wharf|View|Rise|Park|Yard|Heights"
)
_NO_NAME = (
    r"(?!(?:on|in|at|the|of|to|from|near|are|is|was|were|and|or|by|down|up|across|along|with|for|a|an|this|that|my|our|"
    r"people|persons|cars|dogs|cats|men|women|kids|children|minutes|hours|meters|metres|miles|km)\b)"
)
_STATES = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|"
    "RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC"
)
_NO_CODE = ("am", "pm", "th", "nd", "rd", "st")
_UNIT = r"(?:,?\s(?:apt|apartment|suite|ste|unit|flat|floor|no)\.?\s?[\w-]{1,6}|,?\s?#\s?[\w-]{1,6})?"
_OCTET = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"


GUARDED = re.compile(rf"(?i)\A(?:{_GUARDED})\Z")
"""A name whose value is secret whatever it looks like."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One look of one kind of private thing; `group` of a match is what is taken out, if `check` agrees."""

    kind: str
    pattern: re.Pattern[str]
    group: int = 0
    check: Check | None = None

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where it is found."""
        for found in self.pattern.finditer(text):
            start, end = found.span(self.group)
            if end > start and (self.check is None or self.check(found[self.group])):
                yield start, end


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text.partition("%")[0])
    except ValueError:
        return False
    return len(text) > 2


def looks_random(token: str) -> bool:
    """Tell a key from words: letters and digits that change places too often to be spoken."""
    token = token.rstrip("=")
    digits, letters = bool(DIGIT.search(token)), bool(LETTER.search(token))
    if digits and letters and len(token) >= 24 and re.fullmatch(r"[0-9a-fA-F]+", token):
        return True
    kinds = [1 if c.isdigit() else 2 if c.islower() else 3 if c.isupper() else 0 for c in token]
    pairs = itertools.pairwise(kinds)
    # A capital before a small letter begins a word.
    changes = sum(a != b and a != 0 != b and (a, b) != (3, 2) for a, b in pairs)
    return changes >= (max(3, len(token) / 7) if digits else len(token) / 3.5)


def _may_be_secret(token: str) -> bool:
    return token.strip(".,!?").lower() not in _STATES_OF_IT


def _says_much(token: str) -> bool:
    return bool(DIGIT.search(token)) or looks_random(token)


def _rule(kind: str, pattern: str, group: int = 0, check: Check | None = None) -> Rule:
    return Rule(kind, re.compile(pattern), group, check)


RULES = (
    _rule(
        "key", r"(?s)-----BEGIN [A-Z0-9 ]{0,40}(?:KEY|CERTIFICATE|MESSAGE)[A-Z ]{0,20}-----"
        r".*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)",
    ),
    _rule("login", r"(?i)(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{1,20}://([^\s/@]{1,200}@)", 1),
    _rule("login", r"(?<![\w.+:/-])[\w.+-]{1,64}:[^\s/@:]{1,100}@"),
    _rule(
        "key", r"(?i)[?&;#][\w-]{0,30}?(?:key|token|sig|signature|auth|pass|pwd|password|secret|session|sid|code|"
        r"credential|jwt)[\w-]{0,20}=([^\s&#\"'<>]+)", 1,
    ),
    _rule("key", rf"(?<![A-Za-z0-9])(?:{_KEYS})"),
    _rule("key", r"(?i)\b(?:bearer|basic|digest)\s{1,3}([\w.~+/=-]{12,})", 1, _says_much),
    _rule("secret", rf"(?i)\b(?:{_GUARDED}){_LINK}{_QUIET}\"([^\"\n]{{1,200}})\"", 1),
    _rule("secret", rf"(?i)\b(?:{_GUARDED}){_LINK}{_QUIET}'([^'\n]{{1,200}})'", 1),
    _rule("secret", rf"(?i)\b(?:passphrase|(?:recovery|seed) phrase){_LINK}([^\n.\"'{{}}]{{2,200}})", 1),
    _rule("secret", rf"(?i)\b(?:{_GUARDED}){_LINK}{_QUIET}([^\s\"'{{}}\[\],;]+)", 1, _may_be_secret),
    _rule(
        "secret", r"(?i)(?<!error )(?<!status )(?<!exit )(?<!http )(?<!zip )(?<!post )(?<!postal )(?<!area )"
        r"\b(?:pin|puk|tan|otp|passcode|code)(?: ?(?:code|number|nr\.?))?\s?[:#=]?\s?(\d(?:[ -]?\d){3,9})\b", 1,
    ),
    _rule(
        "secret", rf"(?i)\b(?:pin|code|passcode|password)(?: is|:| ist)?\s((?:(?:{_NUMBER_WORD})[\s,-]{{1,2}}){{2,8}}"
        rf"(?:{_NUMBER_WORD}))\b", 1,
    ),
    _rule("email", r"(?i)(?<![\w.+-])[\w.+-]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}"),
    _rule(
        "email", r"(?i)(?<![\w.+-])[\w.+-]{1,64}\s?[\[(]\s?at\s?[\])]\s?[\w-]{1,63}"
        r"(?:\s?[\[(]?\s?(?:dot|\.)\s?[\])]?\s?[\w-]{1,63}){1,4}",
    ),
    _rule(
        "email", r"(?i)(?<![\w.+-])[\w.+-]{1,64}(?:\s(?:dot|underscore|dash|minus|punkt)\s[\w-]{1,64}){0,4}\s"
        r"at\s[\w-]{1,63}(?:\s(?:dot|punkt)\s[\w-]{2,63}){1,4}\b",
    ),
    _rule("ip", rf"(?<![\w.]){_OCTET}(?:\.{_OCTET}){{3}}(?!\w|\.\d)"),
    _rule("ip", r"(?i)(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?:%\w{1,20})?(?![\w:])", 0, _is_ipv6),
    _rule("mac", r"(?i)(?<![\w:-])(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![\w:-])"),
    _rule("mac", r"(?i)(?<![\w.])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])"),
    _rule("id", r"(?i)(?<![\w-])[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}(?![\w-])"),
    _rule("id", r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"),
    _rule("id", r"(?<!\w)[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D](?!\w)"),
    _rule(
        "id", r"(?i)\b(?:passport|ssn|social security|tax id|steuer-?id|national insurance|insurance|account|konto|"
        r"licen[cs]e|identity|customer)(?:\s?(?:number|no\.?|nr\.?|nummer|id))?\s?(?:is|ist|:|=|#)?\s?"
        r"((?=[A-Z -]{0,8}\d)[A-Z0-9](?:[ -]?[A-Z0-9]){4,19})(?!\w)", 1, lambda token: len(DIGIT.findall(token)) > 3,
    ),
    _rule(
        "place", r"(?i)(?<![\d.])[+-]?\d{1,2}\.\d{3,20}\s?°?\s?[NS]?\s?[,;/ ]\s?[+-]?\d{1,3}\.\d{3,20}"
        r"(?:\s?°?\s?[EWO]\b)?",
    ),
    _rule(
        "place", r"(?i)\d{1,3}\s?[°º]\s?\d{1,2}\s?['\u2019\u2032]\s?"
        r"(?:\d{1,2}(?:\.\d{1,9})?\s?[\"\u201d\u2033']{0,2}\s?)?[NSEWO]\b",
    ),
    _rule("place", r"(?i)\d{1,3}\.\d{2,20}\s?°\s?[NSEWO]\b"),
    _rule("place", r"(?i)\b(?:lat|latitude|lon|long|lng|longitude)\b\W{0,4}(?:is\s)?([+-]?\d{1,3}\.\d{2,20})", 1),
    _rule("place", r"(?<![\w+])[2-9CFGHJMPQRVWX]{4,8}\+[2-9CFGHJMPQRVWX]{2,3}(?!\w)"),
    _rule("place", r"(?i)///?[a-z]{2,20}\.[a-z]{2,20}\.[a-z]{2,20}\b"),
    _rule(
        "address", rf"(?i)(?<![\w.,:/-])\d{{1,5}}[a-z]?(?:\s?[-/]\s?\d{{1,5}})?,?\s"
        rf"(?:{_NO_NAME}[\w.'\u2019-]{{1,20}}\s){{1,4}}?(?:{_ROAD})\b\.?{_UNIT}",
    ),
    _rule(
        "address", rf"(?<![\w.,:/-])\d{{1,5}}[A-Za-z]?(?:\s?[-/]\s?\d{{1,5}})?,?\s"
        rf"(?:[A-Z][\w.'\u2019-]{{0,20}}\s|\d{{1,3}}(?:st|nd|rd|th)\s){{1,4}}?(?:{_OWN_NAME_ROAD})\b\.?(?i:{_UNIT})",
    ),
    _rule(
        "address", r"(?i)(?<![\w.-])[\w.-]{1,40}(?:stra(?:ß|ss)e|str\.?|weg|platz|allee|gasse|ufer|damm|"
        r"chaussee|promenade)\s?\d{1,4}\s?[a-z]?(?:\s?[-/]\s?\d{1,4})?\b",
    ),
    _rule(
        "address", r"(?:Am|An der|An den|Im|In der|In den|Auf dem|Auf der|Zum|Zur|Unter den|[A-ZÄÖÜ]\w{1,20}er) "
        r"[A-ZÄÖÜ][\wäöüß-]{2,30}(?: [A-ZÄÖÜ]\w{2,20})? \d{1,4}[a-z]?\b",
    ),
    _rule(
        "address", r"(?i)(?<![\w.,:/-])\d{1,4}(?: ?bis| ?ter)?,?\s(?:rue|boulevard|chemin|impasse|quai|allée)\s"
        r"(?:[\w'\u2019-]{1,20}\s?){1,4}",
    ),
    _rule(
        "address", r"\b(?:Via|Calle|Rua|Piazza|Avenida|Rue|Ulica)\s(?:[\w'\u2019.-]{1,20}\s){1,4}?"
        r"(?:n\.? ?)?\d{1,4}\b",
    ),
    _rule("address", r"(?i)\bp\.?\s?o\.?\s?box\s?\d{1,8}\b"),
    _rule("address", rf"\b(?:{_STATES})\.?,?\s\d{{5}}(?:-\d{{4}})?\b"),
    _rule("address", r"(?<![\w-])\d{5}-\d{4}(?![\w-])"),
    _rule(
        "address", r"(?i)\b(?:zip|zip code|post ?code|postal code|plz|postleitzahl)\b\W{0,3}(?:is\s|ist\s)?"
        r"((?=[A-Z]{0,3}\d)[A-Z0-9]{2,5}(?:[ -]?[A-Z0-9]{3,4})?)\b", 1,
    ),
    _rule(
        "address", r"(?i)(?<!\w)(?:[A-PR-UWYZ](?:\d{1,2}|[A-HK-Y]\d{1,2}|\d[A-HJKPS-UW]|[A-HK-Y]\d[ABEHMNPRV-Y]) ?"
        r"\d[ABD-HJLNP-UW-Z]{2})(?!\w)", 0, lambda code: not code.lower().endswith(_NO_CODE),
    ),
    _rule("address", r"(?<!\w)[A-CEGHJ-NPR-TVXY]\d[A-Z] ?\d[A-Z]\d(?!\w)"),
    _rule("address", r"(?<!\w)(?:D|DE|A|AT|CH|L|F|I)-\d{4,5}(?!\w)"),
    _rule("address", r"(?<![\d.,])\d{5}\s[A-ZÄÖÜ][a-zäöüß]{2,30}(?:[ -][A-ZÄÖÜ][a-zäöüß]{2,30})?"),
    _rule("user", r"(?i)(?:/home/|/users/|\\users\\|\\documents and settings\\)([^\s/\\:\"'<>]{1,64})", 1),
    _rule("phone", rf"(?i)(?<!\w)(?:(?:{_NUMBER_WORD}|plus)[\s,-]{{1,2}}){{6,20}}(?:{_NUMBER_WORD})(?!\w)"),
    _rule("phone", r"(?<![\w.])\d(?:[,\s-]{1,2}\d){6,20}(?![\w.])"),
    _rule("key", r"(?<![\w+/=-])[A-Za-z0-9+/_-]{16,}={0,2}", 0, looks_random),
    _rule("number", r"(?<![\d.])\d{9,}(?!\d|\.\d)"),
)  # fmt: skip
"""The first that finds a place names it."""
