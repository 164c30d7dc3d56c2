"""Where a model comes from: a folder, or the hub; who wrote it and what its licence is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import HfApi, metadata_load, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OfflineModeIsEnabled

from edge_runtime.errors import InputError
from edge_runtime.making.order import UNKNOWN_LICENCE

_HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
_TIMEOUT_S = 5.0
_WANTED = ["*.json", "*.safetensors", "*.txt", "*.model", "README.md"]
_PICKLES = ["pytorch_model*.bin"]


@dataclass(frozen=True, slots=True)
class Original:
    """A model's folder.

    Attributes:
        folder: holds config.json and the weights.
        name: of the model.
        source: where it came from, without what only this machine knows.
        version: commit of the hub, or "local".
        license: as the model card says.
        config: what config.json says.
    """

    folder: Path
    name: str
    source: str
    version: str
    license: str
    config: dict[str, Any]

    def table(self, file: str) -> dict[str, Any] | None:
        """Return a JSON table that lies beside the weights, None where it does not.

        Raises:
            InputError: it is no JSON object.
        """
        table = _json(self.folder / file)
        if table is not None and not isinstance(table, dict):
            raise InputError(f"{self.folder / file}: holds no JSON object; download it again")
        return table

    def modules(self) -> list[dict[str, Any]] | None:
        """Return the steps of a sentence-transformers folder, None where it is none.

        Raises:
            InputError: modules.json is not what it should be.
        """
        steps = _json(self.folder / "modules.json")
        if steps is not None and not (isinstance(steps, list) and all(isinstance(step, dict) for step in steps)):
            raise InputError(f"{self.folder / 'modules.json'}: holds no list of steps; download it again")
        return steps


def find(source: str, name: str) -> Original:
    """Return a model folder, or fetch it from the hub.

    Args:
        source: the folder, or the hub's id.
        name: of the model, where a folder's own could say anything.

    Raises:
        InputError: it is neither, or what it holds is no model.
    """
    folder, version = (Path(source), "local") if Path(source).is_dir() else _fetch(source)
    config = _json(folder / "config.json")
    if not isinstance(config, dict):
        raise InputError(f"{source}: no config.json in it; give the folder that save_pretrained or a download made")
    _check_weights(folder, source)
    local = version == "local"
    said = folder.resolve().name if local else source
    return Original(folder, name if local else Path(source).name, said, version, licence(folder / "README.md"), config)


def licence(card: Path) -> str:
    """Return the licence that a model card's front matter names."""
    try:
        data = metadata_load(card) or {}
    except (OSError, ValueError, yaml.YAMLError):
        return UNKNOWN_LICENCE
    found = data.get("license_name") if data.get("license") in (None, "other") else data["license"]
    found = found or data.get("license")
    return ", ".join(map(str, found)) if isinstance(found, list) else str(found or UNKNOWN_LICENCE)


def _fetch(source: str) -> tuple[Path, str]:
    """Return the folder and the commit of a model of the hub, from the cache where the hub is out of reach."""
    if not _HUB_ID.fullmatch(source):
        raise InputError(f"{source!r} is no folder, no .onnx file and no model id of the hub such as owner/name")
    try:
        # Asked first, because the download itself would wait much longer for a hub that does not answer.
        HfApi().model_info(source, timeout=_TIMEOUT_S)
        folder = Path(snapshot_download(source, allow_patterns=_WANTED, etag_timeout=_TIMEOUT_S))
        if not any(folder.glob("*.safetensors")):
            snapshot_download(source, allow_patterns=_PICKLES, etag_timeout=_TIMEOUT_S)
    except (OSError, HFValidationError) as error:
        # All that the hub's own library raises about the network is an OSError too.
        reason = _reason(error)
    else:
        return folder, folder.name
    try:
        folder = Path(snapshot_download(source, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        raise InputError(
            f"{source!r} is neither a folder here nor a model the hub gives ({reason}); where there is a network run "
            f"`hf download {source} --local-dir FOLDER`, and pass that folder"
        ) from None
    return folder, folder.name


def _reason(error: Exception) -> str:
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, HfHubHTTPError) and error.response is not None:
        return f"it answers {error.response.status_code}"
    if isinstance(error, HFValidationError):
        return "that is no id"
    if isinstance(error, LocalEntryNotFoundError):
        return "the download broke off"
    return "it cannot be reached"


def _check_weights(folder: Path, source: str) -> None:
    """Refuse a folder without weights that torch reads; pickles pass here and are read by torch as weights only."""
    if not any(any(folder.glob(pattern)) for pattern in ("*.safetensors", *_PICKLES)):
        raise InputError(f"{source}: no weights in it; it needs model.safetensors or pytorch_model.bin")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); download it again") from None
