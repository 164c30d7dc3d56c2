from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.bundles.parts import DetectorPart, ImagePart, PhonesPart
from models.omni_nano import utterances
from scripts import bundle
from scripts.stage import Workshop

if TYPE_CHECKING:
    from pathlib import Path

RECIPE = """
name = "tiny"
version = "0.1.0"
license = "Apache-2.0"
teachers = []
sources = []
[image]
area = 65536
stride = 32
[text]
seed = 7
max_tokens = 64
[classify]
templates = ["a photo of a {}"]
[faces]
thresholds = [0.5, 0.4, 0.3]
[phones]
seed = 12
[sounds]
seed = 21
"""
CALIBRATION = {
    "detector": {
        "labels": ["dog"],
        "thresholds": {"dog": 0.4},
        "calibration": {"dog": [1.0, 0.0]},
        "presence": {"dog": [1.0, 0.0]},
        "nms_iou": 0.5,
    },
    "classify": {"temperature": 0.05},
    "gate": {"local_threshold": 0.8, "alpha": 0.05},
}
SOUNDS = {"audio": {"file": "audio.onnx", "labels": ["dog"], "thresholds": {"dog": 0.5}}}
EARS = {"phones": {"blank": 1.0, "confidence": {"bias": 0.5}}}
MEASURED = {
    "int8": 0.75,
    "low": 0.7,
    "high": 0.8,
    "fp32": 0.77,
    "difference": -0.02,
    "difference_low": -0.04,
    "difference_high": 0.0,
    "count": 90,
}
ROW = {
    "name": "recall_person",
    "what": "recall of people",
    "bar": 0.7,
    "least": True,
    "reached": True,
    "by_chance_95": None,
    **MEASURED,
}
EVALUATION = {
    "rows": [ROW],
    "sizes": [],
    "curves": {
        "reliability": {},
        "risk": {
            "is there a ...?": {"coverage": [], "kept": {"limit": 0.8, "coverage": 0.9, "risk": 0.04, "count": 9}}
        },
        "cameras": [],
        "lengths": [],
        "clips": [],
        "confused": [],
    },
}


HEARD = {"rows": [{**ROW, "name": "keywords", "what": "twelve classes", "bar": 0.92}]}
CARD = "\n".join(["# tiny", bundle.NUMBERS[0], "old", bundle.NUMBERS[1], *bundle.CALIBRATION, "the end", ""])


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    (tmp_path / "recipe.toml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "CARD.md").write_text(CARD, "utf-8")
    made = Workshop(tmp_path / "recipe.toml", tmp_path, tmp_path, tmp_path / "build")
    for name, (stage, file) in bundle.FILES.items():
        made.folder(stage).mkdir(parents=True, exist_ok=True)
        (made.folder(stage) / file).write_text(name, encoding="utf-8")
    for stage, name, data in (
        ("calibrate", "calibration.json", CALIBRATION),
        ("calibrate", "ears.json", EARS),
        ("calibrate", "sounds.json", SOUNDS),
        ("evaluate", "evaluation.json", EVALUATION),
        ("evaluate", "ears.json", HEARD),
        ("distil", "stage.json", {"settings": {"text": {"seed": 7}}, "outputs": {"text.pt": "ab"}}),
    ):
        made.folder(stage).mkdir(parents=True, exist_ok=True)
        (made.folder(stage) / name).write_text(json.dumps(data), encoding="utf-8")
    return made


def test_a_bundle_vouches_for_its_files_and_says_how_it_was_built(workshop: Workshop) -> None:
    bundle.run(workshop)
    manifest = Manifest.load(workshop.model / "bundle")
    manifest.verify()
    assert set(manifest.files) == set(bundle.FILES)
    assert manifest.part(DetectorPart).thresholds == {"dog": 0.4}
    assert manifest.numbers == {"recall_person": MEASURED, "keywords": MEASURED}
    assert manifest.built["seeds"] == {"text": 7}
    assert manifest.built["outputs"] == {"distil/text.pt": "ab"}


@pytest.mark.parametrize(
    ("table", "without", "parts"),
    [
        pytest.param("bench", set(), {"image", "text", "phones", "audio", "faces"}, id="eyes and ears"),
        pytest.param(
            "phones",
            {*bundle.GROUPS["phones"]},
            {"image", "text", "audio", "faces"},
            id="none for speech, whatever is left",
        ),
        pytest.param("sounds", {*bundle.SOUNDS}, {"image", "text", "phones", "faces"}, id="none for sounds"),
        pytest.param("image", {*bundle.EYES}, {"phones", "audio", "faces"}, id="ears alone"),
        pytest.param("faces", {*bundle.FACES}, {"image", "text", "phones", "audio"}, id="none for faces"),
    ],
)
def test_a_recipe_has_the_parts_it_has_tables_for(
    workshop: Workshop, table: str, without: set[str], parts: set[str]
) -> None:
    recipe = workshop.recipe.read_text(encoding="utf-8")
    workshop.recipe.write_text(recipe.replace(f"[{table}]", "[other]"), encoding="utf-8")
    gone = {
        "phones": ["calibrate/ears.json"],
        "sounds": ["calibrate/sounds.json"],
        "image": ["calibrate/calibration.json", "evaluate/evaluation.json"],
    }
    for name in gone.get(table, []):
        (workshop.folder("") / name).unlink()
    bundle.run(Workshop(workshop.recipe, workshop.data, workshop.teachers, workshop.build))
    manifest = json.loads((workshop.model / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["files"]) == set(bundle.FILES) - without
    assert {name for name in ("image", "text", "phones", "audio", "faces") if name in manifest} == parts


def test_eyes_that_were_tapped_say_which_feature_maps_they_give(workshop: Workshop) -> None:
    recipe = workshop.recipe.read_text(encoding="utf-8")
    taps = 'fine = "/a/Add_output_0"\ncoarse = "/b/Add_output_0"\n'
    workshop.recipe.write_text(f"{recipe}[taps]\n{taps}", encoding="utf-8")
    workshop.folder("tap").mkdir()
    (workshop.folder("tap") / "image.onnx").write_text("tapped", encoding="utf-8")
    bundle.run(Workshop(workshop.recipe, workshop.data, workshop.teachers, workshop.build))
    manifest = Manifest.load(workshop.model / "bundle")
    assert manifest.part(ImagePart).patches == ("fine", "coarse")
    assert manifest.path("image.onnx").read_text(encoding="utf-8") == "tapped"


def test_eyes_come_with_ordinary_pictures_where_the_recipe_wants_them(workshop: Workshop) -> None:
    recipe = workshop.recipe.read_text(encoding="utf-8")
    workshop.recipe.write_text(f"{recipe}[ordinary]\nseed = 1\ncount = 2\n", encoding="utf-8")
    (workshop.folder("calibrate") / "pictures.npz").write_text("seen", encoding="utf-8")
    told = '{"image": {"ordinary": "pictures.npz"}}'
    (workshop.folder("calibrate") / "pictures.json").write_text(told, encoding="utf-8")
    bundle.run(Workshop(workshop.recipe, workshop.data, workshop.teachers, workshop.build))
    part = Manifest.load(workshop.model / "bundle").part(ImagePart)
    assert part.ordinary == "pictures.npz"
    assert part.area, "what else is told of the eyes stays"


def test_the_ears_are_told_what_they_hear_with(workshop: Workshop) -> None:
    bundle.run(workshop)
    part = Manifest.load(workshop.model / "bundle").part(PhonesPart)
    assert (part.hop, part.shortest, len(part.phones)) == (utterances.HOP, utterances.SHORTEST, 39)
    assert (part.blank, part.confidence) == (1.0, {"bias": 0.5})
    assert (part.lexicon, part.spelling, part.background) == ("lexicon.xz", "spelling.npz", "background.npz")


def test_the_same_parts_give_the_same_bundle_and_strays_go(workshop: Workshop) -> None:
    bundle.run(workshop)
    first = (workshop.model / "bundle" / "manifest.json").read_bytes()
    (workshop.model / "bundle" / "notes.txt").write_text("stray", encoding="utf-8")
    bundle.run(workshop)
    assert (workshop.model / "bundle" / "manifest.json").read_bytes() == first
    assert not (workshop.model / "bundle" / "notes.txt").exists()


def test_the_card_and_the_report_show_the_numbers_of_the_bundle(workshop: Workshop) -> None:
    bundle.run(workshop)
    card = (workshop.model / "CARD.md").read_text(encoding="utf-8")
    row = "| recall of people | 0.750 | 0.700 to 0.800 | >= 0.7 pass | 0.770 | -0.020 | -0.040 to 0.000 | 90 |"
    assert row in card
    assert "| twelve classes | 0.750 |" in card
    assert "(report/index.html)" in card
    assert "old" not in card
    assert card.endswith("the end\n")
    assert "recall of people" in (workshop.model / "report" / "index.html").read_text(encoding="utf-8")


def test_a_model_that_is_not_judged_yet_has_a_bundle_without_numbers(workshop: Workshop) -> None:
    for name in ("evaluation.json", "ears.json"):
        (workshop.folder("evaluate") / name).unlink()
    bundle.run(workshop)
    assert Manifest.load(workshop.model / "bundle").numbers == {}
    assert "size of image.onnx" in (workshop.model / "CARD.md").read_text(encoding="utf-8")
    assert not (workshop.model / "report").exists()


def test_a_candidate_is_a_bundle_of_what_a_stage_left(workshop: Workshop, tmp_path: Path) -> None:
    workshop.folder("export").mkdir(parents=True)
    for name in ("image.onnx", "text.onnx"):
        (workshop.folder("export") / name).write_text(f"FP32 {name}", encoding="utf-8")
    manifest = bundle.candidate(workshop, "export", CALIBRATION, tmp_path / "judged")
    manifest.verify()
    assert manifest.path("image.onnx").read_text(encoding="utf-8") == "FP32 image.onnx"
    assert manifest.path("tokenizer.json").read_text(encoding="utf-8") == "tokenizer.json"


@pytest.mark.parametrize("stage", ["quantize", "export"])
def test_candidate_ears_share_what_is_not_rounded(workshop: Workshop, tmp_path: Path, stage: str) -> None:
    workshop.folder("export").mkdir(parents=True)
    (workshop.folder("export") / "phones.onnx").write_text("FP32", encoding="utf-8")
    manifest = bundle.candidate(workshop, stage, {}, tmp_path / "judged", bundle.EARS)
    assert set(manifest.files) == set(bundle.EARS)
    assert manifest.part(PhonesPart).background is None
    said = manifest.path("phones.onnx").read_text(encoding="utf-8")
    assert said == {"quantize": "phones.onnx", "export": "FP32"}[stage]


def test_a_bundle_over_its_limit_is_not_written(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "LIMIT_BYTES", 3)
    with pytest.raises(SystemExit, match="the limit is 3"):
        bundle.run(workshop)
    assert not (workshop.model / "bundle").exists()


def test_a_card_without_a_place_for_numbers_is_named(workshop: Workshop) -> None:
    (workshop.model / "CARD.md").write_text("# tiny\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no place for what is measured"):
        bundle.run(workshop)
