"""Everyday words for what ImageNet and COCO call by other names, so that plain nouns sit right in the joint space."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TEMPLATES = (
    "a photo of a {}",
    "a photo of the {}",
    "a picture of a {}",
    "a small blurry photo of a {}",
    "a close-up of a {}",
    "there is a {} in the picture",
    "a {}",
    "{}",
)

# Names first (synonyms share the class), then ImageNet class numbers: "151-268" is a range, both ends included.
GROUPS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("person", "man", "woman", "people"), "981-983"),
    (("airplane", "plane", "aircraft"), "404 895"),
    (("automobile", "car"), "436 468 511 609 627 656 661 751 817"),
    (("bird",), "7-24 80-100 127-146"),
    (("cat",), "281-285"),
    (("deer",), "351-353"),
    (("dog",), "151-268"),
    (("frog",), "30-32"),
    (("horse",), "339"),
    (("ship", "boat"), "403 472 484 510 554 576 625 628 724 780 814 871 914"),
    (("truck",), "555 569 675 717 864 867"),
    (("bus",), "654 779 874"),
    (("train",), "466 547 565 705 820"),
    (("bicycle", "bike"), "444 671"),
    (("motorcycle", "motorbike"), "665 670"),
    (("van",), "734"),
    (("tractor",), "866"),
    (("fish",), "0-6 389-397"),
    (("chicken",), "7-8"),
    (("duck",), "97-98"),
    (("penguin",), "145"),
    (("lizard",), "38-48 25-29"),
    (("turtle",), "33-37"),
    (("crocodile",), "49-50"),
    (("snake",), "52-68"),
    (("spider",), "72-77"),
    (("insect",), "300-320"),
    (("butterfly",), "321-326"),
    (("crab", "lobster"), "118-124"),
    (("snail",), "113-115"),
    (("jellyfish",), "107"),
    (("coral",), "109 973"),
    (("wolf",), "269-275"),
    (("fox",), "277-280"),
    (("lion",), "291"),
    (("tiger",), "292"),
    (("leopard",), "286-290 293"),
    (("bear",), "294-297"),
    (("rabbit",), "330-332"),
    (("squirrel",), "335"),
    (("guinea pig", "hamster"), "333 338"),
    (("zebra",), "340"),
    (("pig",), "341-343"),
    (("cow",), "345-347"),
    (("sheep",), "348-349"),
    (("goat",), "350"),
    (("camel",), "354"),
    (("monkey", "ape"), "365-384"),
    (("elephant",), "385-386"),
    (("panda",), "387-388"),
    (("kangaroo",), "104"),
    (("koala",), "105"),
    (("backpack",), "414"),
    (("suitcase", "bag"), "636 748"),
    (("umbrella",), "879"),
    (("bottle",), "440 720 737 898 901 907"),
    (("cup", "mug"), "504 967 968"),
    (("plate of food", "meal"), "923-927 959 962 964"),
    (("pizza",), "963"),
    (("bread",), "930-932"),
    (("sandwich", "burger"), "933-934"),
    (("fruit",), "948-957"),
    (("vegetable",), "935-946"),
    (("mushroom",), "947 991-997"),
    (("ice cream",), "928-929"),
    (("chair",), "423 559 765 857"),
    (("couch", "sofa"), "831"),
    (("table",), "526 532"),
    (("bed",), "520 564"),
    (("potted plant", "plant"), "738"),
    (("flower",), "985-986"),
    (("tv", "television"), "851 664 782"),
    (("laptop",), "620 681"),
    (("keyboard",), "508 810 878"),
    (("computer mouse",), "673"),
    (("cell phone", "telephone"), "487 528 707"),
    (("remote control",), "761"),
    (("book",), "917 921"),
    (("clock", "watch"), "409 530 531 892 826"),
    (("refrigerator",), "760"),
    (("oven", "stove"), "766 827"),
    (("toilet",), "861"),
    (("bathtub",), "435 876"),
    (("lamp",), "619 846"),
    (("candle",), "470"),
    (("ball",), "429 430 522 574 722 768 805 852 890"),
    (("musical instrument",), "401 402 420 486 513 541 546 558 566 593 594 683 684 687 776 875 881 889"),
    (("hat",), "439 452 515 808"),
    (("shoe",), "502 514 630 770 774"),
    (("dress",), "601 578 689"),
    (("shirt", "sweater"), "474 841 610"),
    (("glasses",), "836 837"),
    (("teddy bear", "toy"), "850"),
    (("house", "building"), "425 449 498 580 663 668 698 762"),
    (("church",), "497 832"),
    (("bridge",), "821 839 888"),
    (("tower",), "437 682 900"),
    (("fence",), "489 716"),
    (("beach", "seashore"), "977-978"),
    (("lake",), "975"),
    (("mountain",), "970 972 976 979 980"),
    (("tool",), "477 587 623 677 740 784 792"),
    (("weapon", "gun"), "413 763 764"),
    (("traffic light",), "920"),
    (("street sign",), "919"),
    (("fountain",), "562"),
    (("door",), "799"),
    (("window",), "904-905"),
    (("curtain",), "794"),
    (("box",), "478 492 519"),
    (("basket",), "588 790 791"),
    (("knife",), "499"),
    (("spoon",), "910 618"),
    (("pan", "pot"), "567 909 521 544"),
    (("bowl",), "659 809"),
)

# Nouns of the COCO detectors that are not spelled like the groups above.
COCO_GROUP = {
    "car": "automobile",
    "boat": "ship",
    "sports ball": "ball",
    "dining table": "table",
    "mouse": "computer mouse",
    "remote": "remote control",
    "handbag": "suitcase",
    "apple": "fruit",
    "banana": "fruit",
    "orange": "fruit",
    "broccoli": "vegetable",
    "carrot": "vegetable",
    "hot dog": "sandwich",
    "sandwich": "sandwich",
    "wine glass": "cup",
    "stop sign": "street sign",
}

# What people call people in captions.
_PEOPLE = """
man men woman women person people boy boys girl girls child children kid kids baby babies toddler guy guys lady
ladies couple crowd player players rider riders biker bikers cyclist cyclists skier snowboarder skateboarder surfer
climber hiker runner swimmer dancer worker workers soldier fisherman family friends adult adults teenager gentleman
male female he she him her his hers someone somebody
"""
PEOPLE = frozenset(_PEOPLE.split())
# So many captions of a picture that name a person vouch for one.
VOUCHING = 3

# The nouns a box must tell apart on the smallest pictures.
TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def speak_of_people(captions: Sequence[str]) -> bool:
    """Tell whether at least VOUCHING of a picture's captions name a person."""
    named = sum(bool(PEOPLE & set(re.findall(r"[a-z]+", caption.lower()))) for caption in captions)
    return named >= VOUCHING


def members(numbers: str) -> list[int]:
    """Spell out "7-9 12" as [7, 8, 9, 12]."""
    found: list[int] = []
    for part in numbers.split():
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


def group_of(noun: str) -> int | None:
    """Return the group that a COCO noun belongs to, or None."""
    wanted = COCO_GROUP.get(noun, noun)
    return next((index for index, (names, _) in enumerate(GROUPS) if wanted in names), None)
