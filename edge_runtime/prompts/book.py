"""Reads the prompt files: those shipped, and the owner's own in place of those of the same name."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge_runtime.types import Turn

PERSONA = "persona"
GENERAL = "general"
UNSURE = "UNSURE"
"""What a mind answers that does not know; the shipped persona says so."""

_KEYS = {"version", "text", "skills", "examples", "output"}
_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a mind is told before a question of some skills.

    Attributes:
        name: the file's name.
        version: the file's own count.
        system: persona and instructions.
        examples: questions with the answers they should get.
        output: JSON schema of the answers, None where they are plain text.
        mark: "name@version:hash", the hash of everything above.
        skills: whose questions it is for.
    """

    name: str
    version: int
    system: str
    examples: tuple[tuple[str, str], ...] = ()
    output: Mapping[str, Any] | None = None
    mark: str = ""
    skills: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Return its length in bytes; no token is shorter than one."""
        return len(self.system.encode()) + sum(len((q + a).encode()) for q, a in self.examples)

    def messages(self, text: str, history: tuple[Turn, ...] = ()) -> list[dict[str, str]]:
        """Return a conversation in the OpenAI format that ends with the question `text`.

        What earlier turns call `system` is said by the user, so that nobody but the prompt gives orders.
        """
        said = [{"role": "system", "content": self.system}]
        for question, answer in self.examples:
            said += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        said += [{"role": "assistant" if t.role == "assistant" else "user", "content": t.text} for t in history]
        return [*said, {"role": "user", "content": text}]


class PromptBook:
    """All prompts in force; read once.

    Args:
        own: folder with the owner's files, which replace those of the same name.

    Raises:
        ConfigError: a file cannot be read, or holds a wrong key or value.
    """

    def __init__(self, own: Path | None = None) -> None:
        shipped = resources.files(__package__)
        files = {Path(item.name).stem: item.read_bytes() for item in shipped.iterdir() if item.name.endswith(".toml")}
        where = dict.fromkeys(files, "the package")
        if own is not None:
            for path in _own_files(own):
                files[path.stem], where[path.stem] = path.read_bytes(), str(path.parent)
        parsed = {name: _parsed(name, data, where[name]) for name, data in files.items()}
        persona = parsed.pop(PERSONA)
        self._prompts = {name: _with_persona(prompt, persona) for name, prompt in parsed.items()}
        self._by_skill: dict[str, Prompt] = {}
        # The owner's files come last and so have the last word on whose questions they are for.
        for name in sorted(self._prompts, key=lambda name: where[name] != "the package"):
            self._by_skill |= dict.fromkeys(self._prompts[name].skills, self._prompts[name])

    def of(self, skill: str | None) -> Prompt:
        """Return the prompt for questions that `skill` understood, or that none did."""
        return self._by_skill.get(skill or "", self._prompts[GENERAL])

    def __iter__(self) -> Any:
        """Return the prompts, by name."""
        return iter(sorted(self._prompts.values(), key=lambda prompt: prompt.name))


def _own_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"answering.prompts is {str(folder)!r}, which is no folder; give one with .toml files")
    return sorted(folder.glob("*.toml"))


def _parsed(name: str, data: bytes, where: str) -> Prompt:
    def wrong(what: str) -> ConfigError:
        return ConfigError(f"prompt {name}.toml in {where}: {what}")

    try:
        file = tomllib.loads(data.decode("utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise wrong(f"not valid TOML ({error})") from None
    if unknown := sorted(set(file) - _KEYS):
        raise wrong(f"unknown key {unknown[0]!r}; known: {', '.join(sorted(_KEYS))}")
    version, text, skills, output = file.get("version"), file.get("text"), file.get("skills", []), file.get("output")
    if not isinstance(version, int) or not isinstance(text, str) or not text.strip():
        raise wrong("it needs a whole number 'version' and a 'text'")
    if not isinstance(skills, list) or not all(isinstance(skill, str) for skill in skills):
        raise wrong("'skills' is a list of names")
    if output is not None and not isinstance(output, dict):
        raise wrong("'output' is a JSON schema, written as a table")
    examples = file.get("examples", [])
    if not isinstance(examples, list) or not all(_is_example(example) for example in examples):
        raise wrong("each of 'examples' needs a 'question' and an 'answer'")
    pairs = tuple((example["question"], example["answer"]) for example in examples)
    digest = hashlib.sha256(data).hexdigest()
    return Prompt(name, version, " ".join(text.split()), pairs, output, digest, tuple(skills))


def _is_example(example: object) -> bool:
    return isinstance(example, dict) and all(isinstance(example.get(key), str) for key in ("question", "answer"))


def _with_persona(prompt: Prompt, persona: Prompt) -> Prompt:
    digest = hashlib.sha256((persona.mark + prompt.mark).encode()).hexdigest()[:_SHOWN]
    mark = f"{prompt.name}@{persona.version}.{prompt.version}:{digest}"
    return replace(prompt, system=f"{persona.system} {prompt.system}", mark=mark)
