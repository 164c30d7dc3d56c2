"""Small models with random weights, written as `save_pretrained` writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    BloomConfig,
    BloomForCausalLM,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    ConvNextImageProcessor,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MoonshineConfig,
    MoonshineForConditionalGeneration,
    Phi3Config,
    Phi3ForCausalLM,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
    ResNetConfig,
    ResNetForImageClassification,
    RobertaConfig,
    RobertaModel,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
    ViTImageProcessor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from edge_runtime.making.samples import SENTENCES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789?;.,'"
CARD = "---\nlicense: apache-2.0\n---\n# A model\n"
_LAYERS = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128}


def words(folder: Path, *, longest: int = 32, first: bool = True, marks: Sequence[str] = ()) -> int:
    """Write a tokenizer of letters and return how many tokens it has; the closing token is the last but for `marks`."""
    pieces = [*SPECIAL[:3], *LETTERS, *("##" + c for c in LETTERS), SPECIAL[3], *marks]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"] if first else ["$A", "</s>"],
        special_tokens=[(name, vocabulary[name]) for name in ("<s>", "</s>")],
    )
    # What a published tokenizer.json holds and the runtime must not do twice.
    tokenizer.enable_truncation(16)
    tokenizer.enable_padding(length=16, pad_token="<pad>")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=longest,
        additional_special_tokens=list(marks),
    ).save_pretrained(folder)
    return len(pieces)


def save(model: Any, folder: Path, *others: Any, seed: int = 0) -> Path:
    """Write a model, its processors and its card; random weights are drawn wide, so that outputs differ."""
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "embed" not in name:
            torch.nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        elif "embed_positions" in name:
            # A transcript that hardly knows how far it has come would say one word for ever.
            torch.nn.init.normal_(parameter, std=0.5)
    for part in (model, *others):
        part.save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return folder


def clip(folder: Path) -> Path:
    count = words(folder)
    text = {**_LAYERS, "vocab_size": count, "max_position_embeddings": 32, "eos_token_id": count - 1, "pad_token_id": 0}
    config = CLIPConfig(
        text_config={**text, "bos_token_id": 2},
        vision_config={**_LAYERS, "image_size": 32, "patch_size": 8},
        projection_dim=48,
    )
    processor = CLIPImageProcessor(size={"shortest_edge": 40}, crop_size={"height": 32, "width": 32})
    return save(CLIPModel(config), folder, processor)


def siglip(folder: Path) -> Path:
    count = words(folder, longest=64, first=False)
    config = SiglipConfig(
        text_config={**_LAYERS, "vocab_size": count, "max_position_embeddings": 64, "projection_size": 64},
        vision_config={**_LAYERS, "image_size": 32, "patch_size": 8},
    )
    return save(SiglipModel(config), folder, SiglipImageProcessor(size={"height": 32, "width": 32}))


def bert(folder: Path) -> Path:
    count = words(folder, longest=100)
    return save(BertModel(BertConfig(**_LAYERS, vocab_size=count, max_position_embeddings=48)), folder)


def roberta(folder: Path) -> Path:
    """Write an encoder whose positions begin behind the padding token's."""
    count = words(folder, longest=100)
    config = RobertaConfig(**_LAYERS, vocab_size=count, max_position_embeddings=50, pad_token_id=0)
    return save(RobertaModel(config, add_pooling_layer=False), folder)


def sentence_transformer(folder: Path, pooling: str) -> Path:
    bert(folder)
    steps = [{"path": "", "type": "st.models.Transformer"}, {"path": "1_Pooling", "type": "st.models.Pooling"}]
    (folder / "modules.json").write_text(json.dumps(steps))
    (folder / "1_Pooling").mkdir()
    modes = ("mean_tokens", "cls_token", "max_tokens", "weightedmean_tokens")
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 64, **{f"pooling_mode_{mode}": mode == pooling for mode in modes}})
    )
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 24, "do_lower_case": True}))
    return folder


def vit(folder: Path) -> Path:
    config = ViTConfig(**_LAYERS, image_size=32, patch_size=8, id2label={0: "cat, felid", 1: "dog", 2: "parcel"})
    return save(ViTForImageClassification(config), folder, ViTImageProcessor(size={"height": 32, "width": 32}))


def resnet(folder: Path) -> Path:
    config = ResNetConfig(embedding_size=16, hidden_sizes=[16, 32], depths=[1, 1], layer_type="basic", num_labels=4)
    return save(ResNetForImageClassification(config), folder, ConvNextImageProcessor(size={"shortest_edge": 64}))


def whisper(
    folder: Path, seed: int = 0, *, languages: Sequence[str] = ("en", "de"), size: int = 64, layers: int = 3
) -> Path:
    """Write a recogniser whose marks come behind its words and its times last, as in the published ones."""
    known = [f"<|{language}|>" for language in languages]
    marks = ["<|startoftranscript|>", *known, "<|translate|>", "<|transcribe|>", "<|nospeech|>", "<|notimestamps|>"]
    count = words(folder, marks=[*marks, "<|0.00|>", "<|0.02|>"])
    number = {mark: count - len(marks) - 2 + index for index, mark in enumerate(marks)}
    config = WhisperConfig(
        vocab_size=count,
        d_model=size,
        encoder_layers=2,
        decoder_layers=layers,
        encoder_attention_heads=2,
        decoder_attention_heads=4,
        encoder_ffn_dim=2 * size,
        decoder_ffn_dim=2 * size,
        num_mel_bins=80,
        max_source_positions=100,
        max_target_positions=40,
        decoder_start_token_id=number["<|startoftranscript|>"],
        eos_token_id=number["<|startoftranscript|>"] - 1,
        bos_token_id=2,
        pad_token_id=0,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    model = WhisperForConditionalGeneration(config)
    rules = {
        # What a model's own settings gave is dropped when it is read.
        "_from_model_config": False,
        "no_timestamps_token_id": number["<|notimestamps|>"],
        "is_multilingual": bool(languages),
        # Whatever comes after the words, the end excepted, is never written.
        "suppress_tokens": [7, *range(number["<|startoftranscript|>"], count)],
        "begin_suppress_tokens": [8, config.eos_token_id],
    }
    if languages:
        rules["lang_to_id"] = {mark: number[mark] for mark in known}
        rules["task_to_id"] = {task: number[f"<|{task}|>"] for task in ("transcribe", "translate")}
    for name, value in rules.items():
        setattr(model.generation_config, name, value)
    return save(model, folder, WhisperFeatureExtractor(feature_size=80, chunk_length=2), seed=seed)


def moonshine(folder: Path, seed: int = 0) -> Path:
    """Write a recogniser with heads of a size that is padded, as the published ones have."""
    count = words(folder)
    config = MoonshineConfig(
        vocab_size=count,
        hidden_size=72,
        intermediate_size=128,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=3,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        pad_head_dim_to_multiple_of=8,
        max_position_embeddings=40,
        decoder_start_token_id=2,
        eos_token_id=count - 1,
        bos_token_id=2,
        # With a head of its own a transcript of random weights wanders more.
        tie_word_embeddings=seed % 2 == 0,
    )
    (folder / "preprocessor_config.json").parent.mkdir(parents=True, exist_ok=True)
    hearing = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": False, "sampling_rate": 16000}
    (folder / "preprocessor_config.json").write_text(json.dumps(hearing))
    return save(MoonshineForConditionalGeneration(config), folder, seed=seed)


CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def bytes_words(folder: Path, *, template: str | None = CHATML) -> int:
    """Write a tokenizer of bytes that was trained on a few sentences, with marks for turns; return its size."""
    marks = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=marks, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=marks[0], eos_token=marks[2], pad_token=marks[2], unk_token=marks[0]
    )
    fast.chat_template = template
    fast.save_pretrained(folder)
    return len(fast)


_WRITERS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, LlamaForCausalLM, {"num_key_value_heads": 2, "tie_word_embeddings": True}),
    "qwen2": (Qwen2Config, Qwen2ForCausalLM, {"num_key_value_heads": 1, "tie_word_embeddings": False}),
    "qwen3": (Qwen3Config, Qwen3ForCausalLM, {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True}),
    "gemma2": (
        Gemma2Config,
        Gemma2ForCausalLM,
        {"num_key_value_heads": 2, "head_dim": 8, "sliding_window": 24, "query_pre_attn_scalar": 8},
    ),
    "gemma3_text": (
        Gemma3TextConfig,
        Gemma3ForCausalLM,
        {"num_key_value_heads": 1, "head_dim": 8, "sliding_window": 24, "query_pre_attn_scalar": 8},
    ),
    "phi": (PhiConfig, PhiForCausalLM, {"partial_rotary_factor": 0.5}),
    "phi3": (Phi3Config, Phi3ForCausalLM, {"num_key_value_heads": 2, "pad_token_id": 0}),
    "gpt2": (GPT2Config, GPT2LMHeadModel, {}),
    "bloom": (BloomConfig, BloomForCausalLM, {}),
}


def writer(
    folder: Path, kind: str = "llama", seed: int = 0, *, template: str | None = CHATML, size: int = 32, **how: Any
) -> Path:
    """Write a causal language model whose replies wander."""
    count = bytes_words(folder, template=template)
    settings, model, own = _WRITERS[kind]
    if kind == "gpt2":
        shape = {"n_embd": size, "n_layer": 2, "n_head": 4, "n_positions": 512}
    else:
        shape = {
            "hidden_size": size, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 2 * size,
            "max_position_embeddings": 512,
        }  # fmt: skip
    ids = {"bos_token_id": 0, "eos_token_id": 2, "vocab_size": count}
    made = model(settings(**{**shape, **ids, **own, **how}))
    torch.manual_seed(seed)
    for parameter in (
        x for name, x in made.named_parameters() if x.ndim > 1 and "embed" not in name and "wte" not in name
    ):
        torch.nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    # A token whose own row counts for little beside what the layers make of it is hardly followed by itself.
    torch.nn.init.normal_(made.get_input_embeddings().weight, std=0.1 if made.config.tie_word_embeddings else 1.0)
    made.save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    return folder
