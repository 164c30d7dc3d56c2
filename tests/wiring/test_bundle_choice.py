from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from edge_runtime.bundles.manifest import Manifest, default_bundle
from edge_runtime.config import Settings
from edge_runtime.errors import BundleError, InputError
from edge_runtime.wiring.bundle_choice import BundleChoice, chosen_bundle

if TYPE_CHECKING:
    from pathlib import Path


def put(data: Path, folder: str, **changes: object) -> Path:
    """Put a bundle there that has only a small file of the one shipped."""
    place = data / "bundles" / folder
    place.mkdir(parents=True)
    manifest = json.loads((default_bundle() / "manifest.json").read_text())
    files = {"tokenizer.json": manifest["files"]["tokenizer.json"]}
    (place / "manifest.json").write_text(json.dumps({**manifest, "files": files, **changes}))
    shutil.copy(default_bundle() / "tokenizer.json", place)
    return place


def settings(data: Path, **vision: object) -> Settings:
    return Settings.model_validate({"device": {"data_dir": data}, "vision": vision})


@pytest.fixture
def used() -> Manifest:
    return Manifest.load(default_bundle())


def test_the_newest_version_on_this_box_is_offered_and_chosen(tmp_path: Path, used: Manifest) -> None:
    put(tmp_path, "nine", version="9.10.0")
    put(tmp_path, "eight", version="9.9.0")
    put(tmp_path, "other", version="99.0.0", name="another-model")
    choice = BundleChoice(settings(tmp_path), used)
    assert choice.told()["installed_version"] == used.version
    assert (choice.told()["latest_version"], choice.told()["release_summary"]) == ("9.10.0", "")
    assert chosen_bundle(settings(tmp_path)) is None
    assert choice.install() == "9.10.0"
    assert chosen_bundle(settings(tmp_path)) == tmp_path / "bundles" / "nine"
    assert "next start" in choice.told()["release_summary"]


def test_the_settings_come_first(tmp_path: Path, used: Manifest) -> None:
    newer = put(tmp_path, "newer", version="9.0.0")
    BundleChoice(settings(tmp_path), used).install()
    named = settings(tmp_path, bundle=default_bundle())
    assert chosen_bundle(named) == default_bundle()
    assert BundleChoice(named, used).newest().version == used.version
    assert chosen_bundle(settings(tmp_path)) == newer


def test_a_damaged_bundle_is_neither_chosen_nor_used(tmp_path: Path, used: Manifest) -> None:
    newer = put(tmp_path, "newer", version="9.0.0")
    choice = BundleChoice(settings(tmp_path), used)
    choice.install()
    (newer / "tokenizer.json").write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json has sha256"):
        choice.install()
    assert chosen_bundle(settings(tmp_path)) is None


@pytest.mark.parametrize("content", ['{"folder": "../elsewhere"}', '{"folder": ["newer"]}', "[]", "{", "3"])
def test_only_a_folder_of_ours_can_be_chosen(tmp_path: Path, content: str) -> None:
    put(tmp_path, "newer", version="9.0.0")
    put(tmp_path / "x", "y").rename(tmp_path / "elsewhere")
    (tmp_path / "bundle.json").write_text(content)
    assert chosen_bundle(settings(tmp_path)) is None


def test_a_bundle_that_cannot_be_read_is_told_of_once(
    tmp_path: Path, used: Manifest, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "broken", format=2)
    choice = BundleChoice(settings(tmp_path), used)
    for _ in range(3):
        assert choice.told()["latest_version"] == used.version
    assert caplog.text.count("passed over") == 1


def test_nothing_newer_is_said(tmp_path: Path, used: Manifest) -> None:
    put(tmp_path, "broken", format=2)
    with pytest.raises(InputError, match="is the newest version on this box"):
        BundleChoice(settings(tmp_path), used).install()
