"""How people type and say questions: spellings, lead-ins, and the words that carry no meaning of their own."""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


CUES = (
    ("counting", re.compile(r"\bhow many\b|\bcount\b|\bnumber of\b")),
    (
        "last_seen",
        re.compile(
            r"\bwhen\b.*\b(see|saw|seen|notice|last)\b|\blast (time|seen)\b|\b(was|were) (there|any)\b|"
            r"\b(have|has|did) you (ever )?(see|seen|notice)\b"
        ),
    ),
    ("presence", re.compile(r"\b(is|are|any|see|spot|notice|detect|there|seeing|visible)\b")),
)
"""Words that tell the skill apart once a noun was spotted; the first that fits wins."""

FRAME = re.compile(r"\b((when )?(do|can|could|did|have|would) (you|i|we)|how many|(when )?(was|were))\b")
"""What leads into a question and adds nothing once its cue was found."""

FILLERS = _words(
    "a an the any some my our your this that these those there here is are been in on at of to for from by with and or "
    "right now still today see seeing seen saw look looking spot notice detect shown visible present find if whether "
    "last time ever count number all total other another one more picture image photo photograph frame view scene "
    "video camera cam moment front tell anywhere around lately recently ago show shows have"
)
DETAILS = _words(
    "red blue green yellow black white brown grey gray orange pink purple silver golden big small large little huge "
    "tiny tall short old young new empty full open closed parked moving running sleeping sitting standing lying "
    "barking dirty clean fat thin wooden electric"
)
"""What the detector cannot tell about a thing that it knows."""

ANY_PLACE = _words("door gate window room street garden yard driveway porch house outside inside")
"""Where a home with a single camera means that camera."""

_LEAD_IN = r"^\s*((can|could|would|will) you )?"
_SPELLINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"[\u2018\u2019]", "'"),
        (r"\b(what|who|where|when|how|that|there|it)'?s\b(?= )", r"\1 is"),
        (r"\bu\b", "you"),
        (r"\bpic\b", "picture"),
        (r"[^\w' ]+", " "),
        (r"'", ""),
        (r"\b(please|pls|kindly|currently|actually|just|hey|hi|hello|okay|ok|so|well)\b", " "),
        (r"\s+", " "),
        (_LEAD_IN + r"(tell me|say|let me know|check|see|find out)( (if|whether)) ", " "),
        (_LEAD_IN + r"(do you know |i want to know )?(?=(what|when|how|where|tell|describe|count)\b)", " "),
        (r"\s+", " "),
    )
)


def normal(text: str) -> str:
    """Return a question in plain lower-case words: "What's in the pic?" becomes "what is in the picture"."""
    sentence = text.lower() + " "
    for pattern, replacement in _SPELLINGS:
        sentence = pattern.sub(replacement, sentence)
    return sentence.strip()
