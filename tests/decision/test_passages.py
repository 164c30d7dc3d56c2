from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.decision.passages import LONGEST_PART, WORDS, passages_of, plain, sentences

MANUAL = """# The boiler

It stands in the *cellar*. See [the plan](plan.md), e.g. page 3.

## Heating

- Bleed the radiators in October.
- Keep the pressure at 1.5 bar. Never
  above 2 bar.

| lamp | meaning |
| --- | --- |
| red | no water |
| green | all is well |

Old heading
-----------
To start it:

```
boiler --start
```
"""


def test_a_document_is_cut_at_its_headings_into_parts_that_can_be_quoted() -> None:
    found = {passage.place: passage.parts for passage in passages_of(MANUAL, "manual.md")}
    assert found == {
        "The boiler": ("It stands in the cellar.", "See the plan, e.g. page 3."),
        "Heating": (
            "Bleed the radiators in October.",
            "Keep the pressure at 1.5 bar.",
            "Never above 2 bar.",
            "red; meaning: no water",
            "green; meaning: all is well",
        ),
        "Old heading": ("To start it: boiler --start",),
    }


def test_long_sections_become_passages_that_overlap() -> None:
    text = "\n\n".join(f"Sentence number {n} has exactly nine words in it." for n in range(40))
    found = passages_of(text, "a.txt")
    assert len(found) > 4
    assert all(sum(len(part.split()) for part in passage.parts) <= WORDS + 9 for passage in found)
    assert all(one.parts[-1] == other.parts[0] for one, other in pairwise(found))


def test_a_sentence_without_an_end_is_cut() -> None:
    assert [len(part.split()) for part in sentences("word " * 150)] == [LONGEST_PART, LONGEST_PART, 30]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**bold** and `code` and __more__", "bold and code and more"),
        ("![a picture](x.png) <br> next", "a picture next"),
        ("`edge/<device>/ask`", "edge/<device>/ask"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("<https://example.org>", "https://example.org"),
    ],
)
def test_markup_is_left_out(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize("text", ["", "\n\n", "# only a heading", "|||", "```", "---"])
def test_what_holds_nothing_gives_nothing_that_matters(text: str) -> None:
    assert all(part for passage in passages_of(text, "x") for part in passage.parts)


@given(st.text(max_size=300))
def test_any_text_is_survived(text: str) -> None:
    passages_of(text, "x")
