"""Settings files as plain data: YAML or TOML in, a dictionary with resolved file names out."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import yaml

from edge_runtime.errors import ConfigError


def read_settings(path: Path) -> dict[str, Any]:
    """Return what a YAML or TOML settings file holds, file names in it resolved against its own folder.

    Raises:
        ConfigError: the file cannot be read, or is not YAML or TOML.
    """
    return _relative_to(path.resolve().parent, _parsed(path))


def read_yaml(path: Path) -> Any:
    """Return what a YAML file holds.

    Raises:
        ConfigError: the file cannot be read or is not YAML; the message names the line.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); give a UTF-8 text file") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" at line {where.line + 1}" if where else ""
        raise ConfigError(f"{path}: not valid YAML{line} ({getattr(error, 'problem', error)})") from None


def _parsed(path: Path) -> dict[str, Any]:
    if path.suffix == ".toml":
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read ({error}); give a UTF-8 text file") from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{path}: not valid TOML ({error})") from None
    data = read_yaml(path)
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: holds a {type(data).__name__} where 'section: key: value' lines are expected")
    return data


_PATH_KEYS = (
    ("vision", "bundle"),
    ("voice", "sentences"),
    ("voice", "dictation", "folder"),
    ("speech", "piper_voice"),
    ("mqtt", "ca_file"),
    ("device", "data_dir"),
    ("answering", "gate"),
    ("answering", "prompts"),
    ("mind", "bundle"),
    ("knowledge", "paths"),
)


def _relative_to(folder: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Resolve file names against the settings file, so that it works from every working directory."""
    for *sections, key in _PATH_KEYS:
        group: Any = data
        for section in sections:
            group = group.get(section) if isinstance(group, dict) else None
        value = group.get(key) if isinstance(group, dict) else None
        if isinstance(value, str):
            group[key] = folder / Path(value).expanduser()
        elif isinstance(value, list):
            group[key] = [folder / Path(item).expanduser() if isinstance(item, str) else item for item in value]
    for section, key in (("cameras", "url"), ("microphones", "device")):
        items = data.get(section)
        for item in items if isinstance(items, list) else ():
            name = item.get(key) if isinstance(item, dict) else None
            if isinstance(name, str) and "://" not in name and (folder / name).is_file():
                item[key] = str(folder / name)
    return data
