from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.bundles.parts import GeneratorPart
from edge_runtime.errors import InputError
from edge_runtime.inference.chat_template import DEFAULTS, ChatTemplate
from edge_runtime.inference.generator import Generator, Wish
from edge_runtime.making import maker
from edge_runtime.making.order import Order
from edge_runtime.verbs.output import bundle_words

onnx = pytest.importorskip("onnx", reason="the build extra is not installed")
torch = pytest.importorskip("torch", reason="the build extra is not installed")
transformers = pytest.importorskip("transformers", reason="the build extra is not installed")
tiny_models = pytest.importorskip("tiny_models", reason="the build extra is not installed")
# torch, transformers and optimum announce what they will drop one day.
pytestmark = pytest.mark.filterwarnings("ignore")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Made = Callable[..., tuple[Path, Path]]

KINDS = ("llama", "qwen2", "qwen3", "gemma2", "gemma3_text", "phi", "phi3", "gpt2")
QUESTIONS = ("Hi", "How many people are there at the front door?", "dog and cat " * 20, "How many people are there?")
TOKENS = 40
LLAMA3 = (
    "{{- bos_token }}\n{%- if messages[0]['role'] == 'system' %}\n    "
    "{%- set system_message = messages[0]['content']|trim %}\n    {%- set messages = messages[1:] %}\n"
    "{%- else %}\n    {%- set system_message = '' %}\n{%- endif %}\n"
    "{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}{{- system_message }}{{- '<|eot_id|>' }}\n"
    "{%- for message in messages %}\n    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + "
    "message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n{%- if add_generation_prompt %}\n"
    "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n"
)
THINKS = (
    "{%- for message in messages %}{%- set content = message.content.split('</think>')[-1].lstrip('\n') %}"
    "{{- '<|im_start|>' + message.role + '\n' + content + '<|im_end|>' }}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{%- endif %}"
)
NASTY = (
    "{%- macro shown(m) -%}{% for key, value in m | dictsort %}{{ key }}={{ value | tojson }};{% endfor %}"
    "{%- endmacro %}\n"
    "{% set ns = namespace(count=0, last=none) %}{# a remark #}\n"
    "{% for m in messages if m.role != 'tool' %}\n  {% set ns.count = ns.count + 1 %}\n"
    "{{ loop.index ~ '/' ~ loop.length }} {{ shown(m) }} {{ m['content'][::-1] | upper | replace('A', 'é') }}\n"
    "{% if not loop.last %}{% continue %}{% endif %}{% set ns.last = m.content.split(' ')[-1] %}{% endfor %}\n"
    "{{ ns.count }} {{ ns.last | default('none', true) }} {{ [1, 2.5, none, true] | tojson }} "
    "{{ messages | length % 2 }}"
    "{% generation %}{{ bos_token }}{% endgeneration %}{{ tools is none }}{{ missing is defined }}"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Give the folder of a small language model and its bundle, each made once."""
    done: dict[tuple[Any, ...], tuple[Path, Path]] = {}

    def make(kind: str, seed: int = 0, order: tuple[tuple[str, bool], ...] = (("int8", False),), **how: Any) -> Any:
        key = (kind, seed, order, *sorted(how.items()))
        if key not in done:
            folder = tmp_path_factory.mktemp(kind)
            source = tiny_models.writer(folder / "source", kind, seed, **how)
            maker.make(Order(str(source), folder / "bundle", **cast("dict[str, Any]", dict(order))), print)
            done[key] = source, folder / "bundle"
        return done[key]

    return make


def by_transformers(source: Path, question: str) -> list[int]:
    """Return what the original's own `generate` writes, likeliest token by likeliest token."""
    model = transformers.AutoModelForCausalLM.from_pretrained(source).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source)
    asked = [{"role": "user", "content": question}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt")
    found: list[int] = model.generate(ids, max_new_tokens=TOKENS, do_sample=False)[0, ids.shape[1] :].tolist()
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", KINDS)
def test_every_token_is_the_originals(made: Made, kind: str, seed: int) -> None:
    source, bundle = made(kind, seed)
    # The same one answers all, so that each remembers what it shares with the one before.
    writer = Generator(Manifest.load(bundle), threads=1)
    for question in QUESTIONS:
        found = writer.generate([{"role": "user", "content": question}], Wish(TOKENS, guard=False))
        assert list(found.tokens) == by_transformers(source, question)
    assert found.known_tokens > 20


def test_a_conversation_goes_on_where_it_was(made: Made) -> None:
    source, bundle = made("qwen2")
    writer = Generator(Manifest.load(bundle), threads=1)
    model = transformers.AutoModelForCausalLM.from_pretrained(source).eval()
    said = [{"role": "system", "content": "Be brief."}]
    for question in QUESTIONS:
        said.append({"role": "user", "content": question})
        found = writer.generate(said, Wish(20, guard=False))
        ids = torch.tensor([writer.tokens(said)])
        wanted = model.generate(ids, max_new_tokens=20, do_sample=False)[0, ids.shape[1] :].tolist()
        assert list(found.tokens) == wanted
        said.append({"role": "assistant", "content": found.text})
    assert found.known_tokens > 100


def test_the_probability_is_the_models(made: Made) -> None:
    source, bundle = made("llama", 1)
    writer = Generator(Manifest.load(bundle), threads=1)
    asked = [{"role": "user", "content": "Hi"}]
    found = writer.generate(asked, Wish(10, guard=False))
    model = transformers.AutoModelForCausalLM.from_pretrained(source).eval()
    prompt = writer.tokens(asked)
    with torch.inference_mode():
        logs = model(torch.tensor([prompt + list(found.tokens)])).logits[0].log_softmax(-1)
    wanted = [float(logs[len(prompt) - 1 + place, token]) for place, token in enumerate(found.tokens)]
    assert found.mean_log_prob == pytest.approx(np.mean(wanted), abs=1e-4)


@pytest.mark.parametrize(
    ("order", "bits", "least"),
    [pytest.param((), 8, 0.999, id="INT8"), pytest.param((("int4", True),), 4, 0.94, id="INT4")],
)
@pytest.mark.parametrize("kind", ["llama", "qwen2", "gpt2"])
def test_fewer_bits_write_nearly_the_same(
    made: Made, kind: str, order: tuple[tuple[str, bool], ...], bits: int, least: float
) -> None:
    _, bundle = made(kind, 0, order)
    manifest = Manifest.load(bundle)
    numbers = manifest.numbers["decoder"]
    assert manifest.part(GeneratorPart).bits == bits
    assert numbers[f"int{bits}_mean_cosine"] > least
    assert numbers[f"int{bits}_perplexity"] == pytest.approx(numbers["fp32_perplexity"], rel=0.4)
    found = Generator(manifest, threads=1).generate([{"role": "user", "content": "Hi"}], Wish(TOKENS, guard=False))
    assert found.finish_reason in {"length", "stop"}


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        pytest.param((("int8", False),), onnx.TensorProto.FLOAT, id="FP32"),
        pytest.param((), onnx.TensorProto.UINT8, id="INT8"),
        pytest.param((("int4", True),), onnx.TensorProto.UINT8, id="INT4"),
    ],
)
@pytest.mark.parametrize(("tied", "copies"), [pytest.param(True, 1, id="tied"), pytest.param(False, 2, id="not tied")])
def test_a_table_that_serves_twice_is_there_once(
    made: Made, order: tuple[tuple[str, bool], ...], kind: int, *, tied: bool, copies: int
) -> None:
    _, bundle = made("llama", 0, order, tie_word_embeddings=tied)
    graph = onnx.load(bundle / "decoder.onnx").graph
    sizes = [(tensor.data_type, int(np.prod(tensor.dims))) for tensor in graph.initializer]
    vocabulary = Manifest.load(bundle).part(GeneratorPart).vocabulary
    assert [size for of, size in sizes if of == kind].count(vocabulary * 32) == copies
    if kind == onnx.TensorProto.UINT8:
        assert (onnx.TensorProto.FLOAT, vocabulary * 32) not in sizes


def test_the_bundle_says_how_it_is_built(made: Made) -> None:
    _, bundle = made("llama", 0, ())
    part = Manifest.load(bundle).part(GeneratorPart)
    assert (part.layers, part.heads, part.head_size, part.context, part.vocabulary) == (2, 2, 8, 512, 400)
    assert part.stop_ids == (2,)
    assert "<|endoftext|>" in part.special["bos_token"]
    shown = maker.show(bundle)
    assert shown["parts"] == ["generator"]
    assert shown["writes"] == {"bits": 8, "context": 512, "chat_template": True}
    assert "writes: 8-bit weights, 512 tokens at most, its own chat template" in bundle_words(shown)
    assert shown["license"] == "apache-2.0"
    assert shown["numbers"]["decoder"]["greedy_tokens_same"] == 24


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(None, id="ChatML"),
        pytest.param(LLAMA3, id="Llama 3"),
        pytest.param(NASTY, id="a nasty one"),
        pytest.param(THINKS, id="one that thinks"),
    ],
)
def test_prompts_are_those_of_transformers(tmp_path: Path, template: str | None) -> None:
    tiny_models.bytes_words(tmp_path, template=template or tiny_models.CHATML)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    special = {name: str(value) for name, value in tokenizer.special_tokens_map.items()}
    ours = ChatTemplate(tokenizer.chat_template, special)
    talks = [
        [{"role": "user", "content": "Hi\n "}],
        [
            {"role": "system", "content": "Ärger <b>&</b>"},
            {"role": "user", "content": "{{ 7 * 7 }} 'quoted' \"twice\""},
        ],
        [{"role": role, "content": f"{role} {n}"} for n in range(3) for role in ("user", "assistant")],
    ]
    for talk in talks:
        for more in (True, False):
            wanted = tokenizer.apply_chat_template(talk, tokenize=False, add_generation_prompt=more, **DEFAULTS)
            assert ours.render(talk, add_generation_prompt=more) == wanted


def test_a_model_without_a_template_answers_a_line(made: Made) -> None:
    _, bundle = made("gpt2", 0, (("int8", False),), template=None)
    part = Manifest.load(bundle).part(GeneratorPart)
    assert (part.template, part.stop_text) == (None, "\n")
    writer = Generator(Manifest.load(bundle), threads=1)
    prompt = writer._tokenizer.decode(writer.tokens([{"role": "user", "content": "dog"}]))
    assert prompt == "Question: dog\nAnswer:"


def test_what_the_template_puts_behind_a_reply_ends_it(tmp_path: Path) -> None:
    template = tiny_models.CHATML.replace("'<|im_end|>'", "'<|endoftext|>'")
    source = tiny_models.writer(tmp_path / "source", template=template)
    maker.make(Order(str(source), tmp_path / "bundle", int8=False), print)
    assert Manifest.load(tmp_path / "bundle").part(GeneratorPart).stop_ids == (0, 2)


def _evil(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text("{{ messages.__class__.__mro__ }}")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({**json.loads((folder / "tokenizer_config.json").read_text()), "chat_template": None})
    )


@pytest.mark.parametrize(
    ("order", "harm", "reason"),
    [
        pytest.param({"int4": True, "int8": False}, None, "exclude each other", id="two wishes at once"),
        pytest.param({}, _evil, "its chat template", id="a template that reaches out"),
    ],
)
def test_what_cannot_be_made_is_told(
    tmp_path: Path, order: dict[str, Any], harm: Callable[[Path], None] | None, reason: str
) -> None:
    source = tiny_models.writer(tmp_path / "source")
    if harm:
        harm(source)
    with pytest.raises(InputError, match=reason):
        maker.make(Order(str(source), tmp_path / "bundle", **order), print)
    assert not (tmp_path / "bundle").exists()


def test_a_model_whose_attention_cannot_be_exchanged_is_told(tmp_path: Path) -> None:
    source = tiny_models.writer(tmp_path / "source", "bloom")
    with pytest.raises(InputError, match="source: its attention is of a kind that cannot be exported; Llama, Qwen"):
        maker.make(Order(str(source), tmp_path / "bundle"), print)


def test_a_window_wider_than_the_sample_is_compared_too(tmp_path: Path) -> None:
    source = tiny_models.writer(tmp_path / "source", "gemma2", sliding_window=150)
    maker.make(Order(str(source), tmp_path / "bundle", int8=False), print)
    numbers = Manifest.load(tmp_path / "bundle").numbers["decoder"]
    assert numbers["measured_on"] == "8 sentences, 226 tokens"
    assert numbers["greedy_tokens_same"] == 24


def test_four_bits_are_for_models_that_write(tmp_path: Path) -> None:
    source = tiny_models.bert(tmp_path / "source")
    with pytest.raises(InputError, match="--int4 is for language models that write"):
        maker.make(Order(str(source), tmp_path / "bundle", int4=True), print)
