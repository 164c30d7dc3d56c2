"""The verbs of `edge-runtime intents`: learn what sentences mean from examples, measure it, use it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge_runtime.config import Settings
from edge_runtime.errors import InputError
from edge_runtime.verbs import output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.skills.meaning import Meaning

intents = typer.Typer(
    help="Tell which of your intents a sentence means, or that it means none of them.", no_args_is_help=True
)

MODEL = "intents.npz"
BATCH = 256

File = Annotated[
    Path, typer.Argument(metavar="FILE", help='JSON lines {"text", "intent"}, null for none; or CLINC150\'s own file.')
]
Model = Annotated[Path | None, typer.Option(metavar="MODEL", help="What `fit` wrote; intents.npz in the data folder.")]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="Settings, YAML or TOML.")]


@intents.command("fit")
def fit_intents(
    file: File,
    out: Annotated[
        Path | None, typer.Option(metavar="MODEL", help="Where to write it; intents.npz in the data folder.")
    ] = None,
    keep: Annotated[
        float | None, typer.Option(min=0.5, max=1, help="Share of sentences with an intent to keep; 0.985.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Learn intents from examples; a file in CLINC150's layout gives its training part."""
    from edge_runtime.skills import figures, meaning  # noqa: PLC0415 - help comes faster without numpy
    from edge_runtime.skills.labelled import read_labelled  # noqa: PLC0415

    start, settings = time.monotonic(), Settings.load(config)
    sentences = read_labelled(file)
    embed, tower = _tower(settings)
    texts = [sentence.text for sentence in sentences]
    examples = meaning.Examples(texts, _embedded(embed, texts), [sentence.intent for sentence in sentences])
    with typer.progressbar(length=meaning.FOLDS + 1, label="learning ", file=sys.stderr) as bar:
        made = meaning.Meaning.fit(
            examples, tower=tower, keep=keep or meaning.KEEP, on_fold=lambda done, _: bar.update(done - bar.pos)
        )
    path = _path(out, settings)
    try:
        made.save(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}); choose another with --out") from None
    record = {
        "model": str(path),
        "bytes": path.stat().st_size,
        "intents": len(made.names),
        "examples": len(texts),
        "out_of_scope_examples": sum(sentence.intent is None for sentence in sentences),
        "threshold": round(made.threshold, 4),
        "cross_validation": figures.cross_validated(made),
        "elapsed_s": round(time.monotonic() - start, 1),
    }
    output.emit(record, as_json=as_json, words=_fitted_words)


@intents.command("eval")
def eval_intents(
    file: File,
    model: Model = None,
    split: Annotated[
        str | None, typer.Option(metavar="PART", help="Of CLINC150's file: train, val or test; test if it is there.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Measure a model on labelled sentences that it has not seen."""
    from edge_runtime.skills import figures  # noqa: PLC0415 - help comes faster without numpy
    from edge_runtime.skills.labelled import read_labelled  # noqa: PLC0415

    settings = Settings.load(config)
    sentences = read_labelled(file, split, default=("test", "val", "train"))
    made, embed, path = _loaded(settings, model)
    texts, meant = zip(*sentences, strict=True)
    strange = sorted({intent for intent in meant if intent is not None} - set(made.names))
    if strange:
        raise InputError(f"{file}: {path} knows no intent {strange[0]!r} ({len(strange)} unknown); fit it with them")
    found = figures.measured(made.judge(texts, _embedded(embed, texts)), meant)
    record = {"model": str(path), "threshold": round(made.threshold, 4), **found}
    output.emit(record, as_json=as_json, words=_measured_words)


@intents.command("classify")
def classify_intents(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT", help="Sentences; - reads them from standard input.")],
    model: Model = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Say which intent each sentence means, or none."""
    made, embed, _ = _loaded(Settings.load(config), model)

    def work(text: str) -> output.Record:
        guess = made.judge([text], embed([text]))[0]
        return {
            "intent": guess.name if guess.known else None,
            "probability": round(guess.probability, 4),
            "nearest": guess.name,
            "second": guess.second,
        }

    output.each("text", texts, work, as_json=as_json, words=_classified_words)


def _path(given: Path | None, settings: Settings) -> Path:
    return given or settings.device.data_dir.expanduser() / MODEL


def _tower(settings: Settings) -> tuple[Callable[[Sequence[str]], NDArray[np.float32]], str]:
    """Return what embeds sentences, and what to call it: its file's hash, since another's vectors mean other things."""
    from edge_runtime.bundles.parts import TextPart  # noqa: PLC0415
    from edge_runtime.wiring.assembly import Models  # noqa: PLC0415 - help and errors come faster without the models

    models = Models.of(settings)
    return models.embedder.embed_text, models.manifest.files[models.manifest.part(TextPart).file].sha256


def _loaded(
    settings: Settings, given: Path | None
) -> tuple[Meaning, Callable[[Sequence[str]], NDArray[np.float32]], Path]:
    from edge_runtime.skills.meaning import Meaning  # noqa: PLC0415 - help comes faster without numpy

    path = _path(given, settings)
    made = Meaning.load(path)
    embed, tower = _tower(settings)
    if made.tower != tower:
        raise InputError(f"{path} was fitted with another bundle's text model; fit it again with this one")
    return made, embed, path


def _embedded(embed: Callable[[Sequence[str]], NDArray[np.float32]], texts: Sequence[str]) -> NDArray[np.float32]:
    import numpy as np  # noqa: PLC0415 - help comes faster without it

    starts = range(0, len(texts), BATCH)
    with typer.progressbar(starts, label="embedding", file=sys.stderr) as bar:
        return np.concatenate([embed(texts[start : start + BATCH]) for start in bar])


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


def _figures_words(found: dict[str, Any], *, hidden: bool = False) -> list[str]:
    kind = " (some intents hidden in turn, as none was given)" if hidden else ""
    area = "not measured" if found["auroc"] is None else f"{found['auroc']:.4f}"
    unguarded = f"({_share(found['accuracy_without_threshold'])} if nothing is turned away)"
    return [
        f"  in-scope accuracy    {_share(found['in_scope_accuracy'])}  {unguarded}",
        f"  out-of-scope recall  {_share(found['out_of_scope_recall'])}{kind}",
        f"  AUROC                {area}",
        f"  calibration error    {_share(found['calibration_error'])}",
    ]


def _fitted_words(record: output.Record) -> str:
    found = record["cross_validation"]
    read = f"{record['examples']} sentences, {record['out_of_scope_examples']} of them out of scope"
    return "\n".join(
        [
            f"{record['intents']} intents from {read}, in {record['elapsed_s']:.0f} s",
            f"on held-out sentences, with the threshold {record['threshold']:.2f}:",
            *_figures_words(found, hidden=found["hidden_intents"]),
            f"{record['model']}: {record['bytes'] / 1e6:.1f} MB",
        ]
    )


def _measured_words(record: output.Record) -> str:
    confused = [f"  {row['count']:4}  {row['meant']} taken for {row['taken_for']}" for row in record["confused"]]
    asked = f"{record['in_scope']} sentences in scope, {record['out_of_scope']} out of scope"
    return "\n".join(
        [
            f"{asked}, threshold {record['threshold']:.2f}:",
            *_figures_words(record),
            *(["most confused:", *confused] if confused else []),
        ]
    )


def _classified_words(record: output.Record) -> str:
    intent = record["intent"] or f"none of them (nearest: {record['nearest']})"
    return f"{record['text']}: {intent} ({record['probability']:.0%})"
