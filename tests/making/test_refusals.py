from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import InputError
from edge_runtime.making import maker
from edge_runtime.making.order import Order

torch = pytest.importorskip("torch", reason="the build extra is not installed")
tiny_models = pytest.importorskip("tiny_models", reason="the build extra is not installed")
safetensors = pytest.importorskip("safetensors.torch", reason="the build extra is not installed")
# torch and optimum announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Path], Path]:
    """Give a fresh copy of a small model's folder."""
    made: dict[str, Path] = {}

    def copy(kind: str, target: Path) -> Path:
        if kind not in made:
            made[kind] = getattr(tiny_models, kind)(tmp_path_factory.mktemp(kind))
        shutil.copytree(made[kind], target)
        return target

    return copy


def rewrite(name: str, **changes: Any) -> Change:
    """Return what changes keys of a JSON file; None takes one out."""

    def change(folder: Path) -> None:
        table = json.loads((folder / name).read_text())
        table.update(changes)
        (folder / name).write_text(json.dumps({k: v for k, v in table.items() if v is not None}))

    return change


def cut(name: str) -> Change:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:1000])


def remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def lose_weight(folder: Path) -> None:
    weights = safetensors.load_file(folder / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    safetensors.save_file(weights, folder / "model.safetensors", {"format": "pt"})


class Harmful:
    """What a pickle could do: it leaves a file behind when it is read."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.trace, "w")


def pickle_with_code(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    torch.save({"x": Harmful(str(folder / "trace"))}, folder / "pytorch_model.bin")


def own_code(folder: Path) -> None:
    rewrite("config.json", model_type="own", auto_map={"AutoConfig": "code.Own", "AutoModel": "code.Own"})(folder)
    (folder / "code.py").write_text(f"open({str(folder / 'trace')!r}, 'w')")


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        pytest.param("bert", remove("config.json"), "no config.json", id="no config"),
        pytest.param("bert", cut("model.safetensors"), "the model cannot be read", id="weights cut off"),
        pytest.param("bert", remove("model.safetensors"), "no weights in it", id="no weights"),
        pytest.param("bert", lose_weight, "lack encoder.layer.1.output.dense.weight", id="a weight is missing"),
        pytest.param("bert", pickle_with_code, "the model cannot be read", id="a pickle that runs code"),
        pytest.param("bert", own_code, "model type 'own'", id="code of its own"),
        pytest.param(
            "bert", lambda f: (f / "config.json").write_text("{"), "cannot be read as JSON", id="config cut off"
        ),
        pytest.param("bert", lambda f: (f / "config.json").write_text("[]"), "no config.json", id="config is a list"),
        pytest.param("bert", rewrite("config.json", hidden_size=48), "cannot be read", id="config of another size"),
        pytest.param("bert", rewrite("config.json", model_type="gpt2"), "model type 'gpt2'", id="a kind unknown here"),
        pytest.param("bert", remove("tokenizer.json"), "the tokenizer cannot be read", id="no tokenizer"),
        pytest.param("bert", cut("tokenizer.json"), "the tokenizer cannot be read", id="tokenizer cut off"),
        pytest.param(
            "bert",
            lambda f: (f / "modules.json").write_text('[{"type": "st.models.Dense", "path": "2_Dense"}]'),
            "adds a step 'Dense'",
            id="a step unknown here",
        ),
        pytest.param("bert", lambda f: (f / "modules.json").write_text("{}"), "no list of steps", id="modules no list"),
        pytest.param("pooled", lambda _: None, "known are one of", id="pooling unknown here"),
        pytest.param(
            "vit", remove("preprocessor_config.json"), "preprocessor_config.json is missing", id="no processor"
        ),
        pytest.param(
            "vit", rewrite("preprocessor_config.json", resample=0), "resample is 0", id="resampling unknown here"
        ),
        pytest.param(
            "vit",
            rewrite("preprocessor_config.json", size={"height": 48, "width": 48}),
            "48 x 48, but the model was made for 32 x 32",
            id="pictures of another size",
        ),
        pytest.param(
            "vit", rewrite("preprocessor_config.json", do_resize=False), "do_resize", id="pictures of any size"
        ),
        pytest.param(
            "vit",
            rewrite("preprocessor_config.json", image_processor_type="DeiTImageProcessor", do_center_crop=True),
            "knows height and width, or shortest_edge and a crop",
            id="squeezed before they are cut",
        ),
        pytest.param(
            "vit",
            rewrite(
                "preprocessor_config.json",
                image_processor_type="PoolFormerImageProcessor",
                size={"shortest_edge": 32},
                crop_size={"height": 32, "width": 32},
                crop_pct=0.4,
            ),
            "prepares pictures otherwise than the original",
            id="cut in a way that only the comparison shows",
        ),
        pytest.param(
            "clip",
            rewrite("tokenizer_config.json", model_max_length=None),
            None,
            id="a tokenizer without a length is fine",
        ),
        pytest.param(
            "whisper",
            rewrite("preprocessor_config.json", hop_length=320),
            "hop_length = 320",
            id="features of another kind",
        ),
        pytest.param(
            "moonshine",
            rewrite("preprocessor_config.json", do_normalize=True),
            "do_normalize = True",
            id="loudness evened",
        ),
    ],
)
def test_a_folder_that_is_not_right_is_refused_in_one_line(
    tmp_path: Path, models: Callable[[str, Path], Path], kind: str, change: Change, said: str | None
) -> None:
    if kind == "pooled":
        source = tiny_models.sentence_transformer(tmp_path / "source", "weightedmean_tokens")
    else:
        source = models(kind, tmp_path / "source")
    change(source)
    if said is None:
        maker.make(Order(str(source), tmp_path / "bundle"), print)
        return
    with pytest.raises(InputError) as caught:
        maker.make(Order(str(source), tmp_path / "bundle"), print)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (source / "trace").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_a_pickle_of_weights_alone_is_read(tmp_path: Path, models: Callable[[str, Path], Path]) -> None:
    source = models("bert", tmp_path / "source")
    torch.save(safetensors.load_file(source / "model.safetensors"), source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    maker.make(Order(str(source), tmp_path / "bundle"), print)
    Manifest.load(tmp_path / "bundle").verify()


def test_a_language_that_the_model_does_not_know(tmp_path: Path, models: Callable[[str, Path], Path]) -> None:
    source = models("whisper", tmp_path / "source")
    with pytest.raises(InputError, match="no language 'fr'; it knows de, en"):
        maker.make(Order(str(source), tmp_path / "bundle", language="fr"), print)
