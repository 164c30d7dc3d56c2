"""How people ask about the box itself."""

from __future__ import annotations

import re

from edge_runtime.skills.phrasing import normal

_TOPICS = {
    "well": """
        how are (you|things)( (doing|feeling))?
        how is it going
        how do you (do|feel)
        are you (ok|okay|all ?right|well|fine|healthy|working|online)( (properly|fine))?
        (what is )?(your|the) (system |device )?(status|health)
        status( report)?
        is everything (ok|okay|all ?right|fine)( with you)?
    """,
    "temperature": """
        how (warm|hot|cool|cold) (is|are) (the |your )?(processor|cpu|chip|board|box|you|machine|computer)
        are you (too )?(hot|warm|overheating)
        (what is )?(the |your )?(processor|cpu|chip|board) temperature
        what is the temperature of (the |your )?(processor|cpu|chip|board)
        is (the |your )?(processor|cpu|chip) (too )?(hot|overheating)
        what is your temperature
    """,
    "uptime": """
        how long have you been (running|on|up|awake|online|working|switched on)
        (what is )?your uptime
        uptime
        (since )?when (did you start|were you (started|switched on)|have you been running)
    """,
    "disk": """
        how much (disk|storage|disk space|storage space|space|room) IS( FREE)?( on (the|your) DISK)?
        how much free (disk|storage|disk space|storage space|space)( is there| do you have)?( on (the|your) DISK)?
        is (the|your) DISK (nearly |almost )?full
        (free )?disk space
        how full is (the|your) DISK
    """,
    "memory": """
        how much (memory|ram) IS( FREE| in use)?
        how much free (memory|ram)( is there| do you have)?
        how much (memory|ram) (do you use|are you using)
        (free )?(memory|ram)( usage| use)?
        are you (running )?(out of|low on) memory
    """,
    "cameras": """
        (which|what|how many) cameras (are|do you have|have you( got)?|work|do you use)( STATE)?
        are (all )?(the |your |my )?cameras STATE
        do (all )?(the |your |my )?cameras work
        camera status
        is any camera STATE
    """,
    "version": """
        (what|which) (software |program )?version (are you|is (this|it)|do you (run|have))( running)?
        (what is )?your (software )?version
        version
        (what|which) (model|software) (are you|do you)( using| run| use)?
    """,
    "cost": """
        (what|how much)( money)? (did|has|does) (the cloud|openai) cost( me| us| you)?( so far)?( this month)?
        how much( money)? (did|have) you (spend|spent)( on the cloud)?( this month)?
        (what are )?(the |your )?cloud costs?( this month)?
        how much is the cloud( costing)?( this month)?
    """,
    "name": """
        (what is )?your name
        who are you
        what are you( called)?
    """,
    "address": """
        (what is )?your (ip|network|internet|ip network)( address)?
        (what is )?your address
        ip( address)?
        (at )?(what|which) (ip |network )?address (do you have|are you|can i reach you)( at)?
    """,
}
_WORDS = {
    "IS": "(is|are|do you have|have you( got)?|is there|remains)",
    "FREE": "(free|left|available|used)",
    "DISK": "(disk|card|drive|storage)",
    "STATE": "(there|online|working|connected|on|running|active|offline|down|lost|broken|ok|okay|up|all right)",
}
_WHEN = "( (today|now|at the moment|right now|please|then))*"


def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    found = []
    for topic, lines in _TOPICS.items():
        ways = "|".join(line.strip() for line in lines.splitlines() if line.strip())
        for word, meaning in _WORDS.items():
            ways = ways.replace(word, meaning)
        found.append((topic, re.compile(f"({ways}){_WHEN}")))
    return tuple(found)


_PATTERNS = _patterns()


def topic_of(text: str) -> str | None:
    """Return what of the box a question asks for, None where it asks for something else."""
    # The normal words of "are you okay?" lack the last one.
    ways = (normal(text), " ".join(re.findall(r"\w+", text.lower())))
    return next((topic for topic, pattern in _PATTERNS if any(map(pattern.fullmatch, ways))), None)
