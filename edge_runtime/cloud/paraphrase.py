"""Whether two questions that sound alike ask the same: what a sentence embedding blurs is compared word by word."""

from __future__ import annotations

import re

NOT_LATER = re.compile(
    r"\b(now|today|tonight|tomorrow|yesterday|currently|current|latest|newest|recent|recently|still|yet|just|ago|"
    r"weather|forecast|temperature|rain|raining|snow|snowing|sunny|news|time|date|day|week|weekend|month|year|"
    r"morning|afternoon|evening|price|prices|stock|score|traffic|open|opens|closed|closes|next|last|this|these|"
    r"here|my|our|we|us)\b",
    re.IGNORECASE,
)
"""A question with one of these may have another answer soon, or for somebody else."""
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)?|\d+(?:[.,:]\d+)*")
OPPOSITES = (
    "left right|on off|open close|before after|above below|over under|up down|in out|high low|higher lower|"
    "highest lowest|large small|larger smaller|largest smallest|big little|bigger smaller|long short|longer shorter|"
    "longest shortest|old young|older younger|oldest youngest|hot cold|hotter colder|warm cool|fast slow|faster slower|"
    "north south|east west|buy sell|start stop|start end|begin end|increase decrease|safe dangerous|good bad|"
    "better worse|best worst|minimum maximum|min max|male female|man woman|mother father|brother sister|son daughter|"
    "husband wife|king queen|push pull|add remove|install uninstall|win lose|winter summer|boil freeze|"
    "boiling freezing|melt freeze|raw cooked|to from|with without|multiply divide|plus minus|encode decode|"
    "import export|love hate|cause prevent|advantages disadvantages|pros cons|clean dirty|wet dry|heavy light|"
    "heavier lighter|near far|same different"
)
PAIRS = tuple(frozenset(pair.split()) for pair in OPPOSITES.split("|"))
PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "mis", "anti")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


NUMBERS = _set(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million billion half "
    "quarter third twice once double first second fourth fifth sixth seventh eighth ninth tenth dozen both all every "
    "some any none each few many most least more less fewer only"
)
NEGATIONS = _set("not no never without nor neither nothing nobody except but instead unless hardly")
KINDS = _set("who whom whose when where why much long often far old fast")
"""What is asked for; "what", "which" and "how" can ask for anything."""
EMPTY = _set(
    "a an the is are was were be been do does did can could will would should may might i you he she it they me him "
    "her them of for to in on at by and or please tell explain say know what which how there that"
)


def is_lasting(text: str) -> bool:
    """Tell whether the answer to a question may be given again later, to anybody."""
    return NOT_LATER.search(text) is None


def normalised(text: str) -> str:
    """Return a question as its words: the same whatever its case, spacing and closing marks."""
    return " ".join(text.casefold().split()).rstrip(" ?!.")


def same_facts(one: str, other: str) -> bool:
    """Tell whether nothing that a sentence embedding blurs differs between two questions.

    Compared are numbers, negations, names (words with a capital that do not begin the sentence), what kind of thing is
    asked for, opposites, and the order of the words that both share: "is a dog bigger than a cat" is not "is a cat
    bigger than a dog", though their embeddings nearly are.
    """
    first, second = _words(one), _words(other)
    mine, yours = set(first), set(second)
    return (
        all(_chosen(first, group) == _chosen(second, group) for group in (NUMBERS, NEGATIONS, KINDS))
        and _figures(one) == _figures(other)
        and _capitals(one) <= yours
        and _capitals(other) <= mine
        and not _opposed(mine - yours, yours - mine)
        and _shared(first, yours) == _shared(second, mine)
    )


def _plain(text: str) -> str:
    return text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")


def _words(text: str) -> list[str]:
    # "don't" and "cannot" hold a "not".
    spelled = re.sub(r"n't\b", " not", _plain(text).casefold().replace("can't", "can not").replace("cannot", "can not"))
    return [word.removesuffix("'s") for word in WORD.findall(spelled)]


def _chosen(words: list[str], group: frozenset[str]) -> list[str]:
    return sorted(word for word in words if word in group)


def _figures(text: str) -> list[str]:
    return [word for word in WORD.findall(text) if any(c.isdigit() for c in word)]


def _capitals(text: str) -> set[str]:
    words = [word for word in WORD.findall(_plain(text)) if word != "I" and not word.startswith("I'")]
    return {word.casefold().removesuffix("'s") for word in words[1:] if word[0].isupper()}


def _opposed(mine: set[str], yours: set[str]) -> bool:
    """Tell whether a word of one is the opposite of a word of the other."""
    if any(pair & mine and pair & yours for pair in PAIRS):
        return True
    return any(a == prefix + b or b == prefix + a for a in mine for b in yours for prefix in PREFIXES)


def _shared(words: list[str], others: set[str]) -> list[str]:
    """Return the words that matter and that both have, in order."""
    return [word for word in words if word in others and word not in EMPTY]
