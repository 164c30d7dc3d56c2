from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import cv2
import numpy as np
import pytest

from edge_runtime.config import Settings
from edge_runtime.decision.motion import MotionGate
from edge_runtime.decision.scene import Scene
from edge_runtime.errors import ConfigError, InputError
from edge_runtime.pipelines.vision import VisionPipeline
from edge_runtime.sources.replay import VideoFile
from edge_runtime.types import Event, Frame, Look, Sight, Step
from edge_runtime.watch_sections import CameraSettings
from edge_runtime.wiring.alerts import Seekers, attend_alerts, learn_of, make_alerts, make_words, prompts_of
from edge_runtime.wiring.assembly import Models
from edge_runtime.wiring.feedback import Feedback
from edge_runtime.wiring.page_teaching import PageTeaching
from edge_runtime.wiring.teaching_pictures import taught_pictures, teach_picture_files
from edge_runtime.wiring.watching import make_view

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.house import House
    from edge_runtime.types import Image


@pytest.fixture(scope="module")
def models() -> Models:
    return Models(threads=1)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the vectors of names, which take seconds, are kept between the tests."""
    return tmp_path_factory.mktemp("box")


def settings(folder: Path, *alerts: str, own: tuple[str, ...] = (), **more: Any) -> Settings:
    door = {"name": "door", "url": "clip.mp4", "alerts": own}
    return Settings.model_validate({"device": {"data_dir": folder}, "alerts": alerts, "cameras": [door], **more})


def pattern(seed: int, kind: int) -> Image:
    """A picture of stripes or of rings, in colours and widths of its own."""
    dice = np.random.default_rng(seed)
    y, x = np.mgrid[:96, :96]
    wave = x if kind == 0 else np.hypot(x - 48, y - 48)
    level = np.sin(wave / dice.uniform(3, 5))[..., None]
    colour = np.array([200, 40, 40]) if kind == 0 else np.array([40, 40, 200])
    return np.asarray(np.clip(128 + level * (colour - 90) + dice.normal(0, 4, (96, 96, 3)), 0, 255), np.uint8)


def files(folder: Path, kind: int, count: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{kind}-{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        cv2.imwrite(str(path), cv2.cvtColor(pattern(number, kind), cv2.COLOR_RGB2BGR))
    return [str(path) for path in paths]


def test_a_camera_tells_what_all_do_and_its_own_each_once(tmp_path: Path) -> None:
    wanted = settings(tmp_path, "a dog", "smoke", own=("A Dog", "a parcel on the doorstep"))
    assert prompts_of(wanted.cameras[0], wanted) == ("a dog", "smoke", "a parcel on the doorstep")


def test_without_prompts_there_is_nobody(tmp_path: Path, models: Models) -> None:
    wanted = settings(tmp_path)
    assert make_alerts(wanted.cameras[0], wanted, models) is None
    assert [decider.name for decider in make_view(wanted.cameras[0], wanted, models, Scene()).deciders][:1] == ["rules"]


@pytest.mark.parametrize(
    ("prompt", "labels", "exact", "place_labels"),
    [
        pytest.param("a dog on the sofa", ("dog",), True, ("couch",), id="both are known"),
        pytest.param("somebody at the door", ("person",), True, (), id="another word for a label"),
        pytest.param("a child near the pool", ("person",), False, (), id="a part of what a label covers"),
        pytest.param("a man with a ladder", ("person",), False, (), id="more than a label says"),
        pytest.param("a parcel on the doorstep", (), False, (), id="nothing of the kind is known"),
    ],
)
def test_what_the_detector_knows_of_a_prompt(
    box: Path, models: Models, prompt: str, labels: tuple[str, ...], exact: bool, place_labels: tuple[str, ...]
) -> None:
    [sought] = Seekers(models, box).all([prompt])
    assert (sought.labels, sought.exact, sought.place_labels) == (labels, exact, place_labels)
    assert len(sought.contrast) == len(sought.names) > sought.apart.sum() > 700
    assert 0 < sought.usual < 6
    assert 0 < sought.sure <= 2


def test_any_man_is_the_measure_of_a_man_with_something(box: Path, models: Models) -> None:
    part, whole = Seekers(models, box).all(["a man with a gun", "a gun"])
    assert part.usual > whole.usual
    assert part.usual + part.sure > 4


def test_a_bundle_without_words_is_refused(tmp_path: Path) -> None:
    bare = cast("Models", SimpleNamespace(manifest=SimpleNamespace(name="eyes", text=None)))
    wanted = settings(tmp_path, "a dog")
    with pytest.raises(ConfigError, match="eyes cannot compare pictures with words"):
        make_words(wanted.cameras[0], wanted, bare)


def house_of(views: dict[str, Any]) -> tuple[House, list[str], list[Callable[..., None]]]:
    served: list[str] = []
    serves: list[Callable[..., None]] = []

    def add_server(name: str, serve: Callable[..., None]) -> None:
        served.append(name)
        serves.append(serve)

    made = SimpleNamespace(
        views=views, add_server=add_server, hold_back=lambda _: None, tell=lambda _: None, feedback=None
    )
    return cast("House", made), served, serves


def calm(decider: Any, minutes: int) -> None:
    image = np.full((90, 160, 3), 100, np.uint8)
    for at in range(0, 60 * minutes, 30):
        decider.decide(Sight(Frame("door", float(at), image), Look((), (), {}), 0.0, moving=False, novelty=()))


def test_what_the_site_teaches_outlives_the_program(
    box: Path, models: Models, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = settings(box, "a dog", "smoke")
    words = make_alerts(wanted.cameras[0], wanted, models)
    assert words is not None
    calm(words, 3)
    house, served, serves = house_of({"door": SimpleNamespace(deciders=[words])})
    with ExitStack() as closing:
        attend_alerts(house, wanted, models, closing, once=False)
    assert served == ["alerts"]
    stopping = threading.Event()
    stopping.set()
    serves[0](stopping, lambda: None)
    kept = json.loads((box / "alerts" / "door.json").read_text())
    assert kept["prompts"]["smoke"]["minutes"] == 2, "the third is not over"
    again = make_alerts(wanted.cameras[0], wanted, models)
    assert again is not None
    assert json.loads(json.dumps(again.thresholds())) == kept["prompts"]
    for damage in (b"{", b'{"format": 1}', json.dumps(kept | {"prompts": {"smoke": {"minutes": 1}}}).encode()):
        (box / "alerts" / "door.json").write_bytes(damage)
        fresh = make_alerts(wanted.cameras[0], wanted, models)
        assert fresh is not None
        assert json.loads(json.dumps(fresh.thresholds()))["smoke"]["minutes"] == 0
    assert caplog.text.count("begin") >= 3
    (box / "alerts" / "door.json").unlink()


def test_fine_reaches_the_camera_that_told_it(box: Path, models: Models) -> None:
    wanted = settings(box, "a dog")
    words = make_alerts(wanted.cameras[0], wanted, models)
    assert words is not None
    house, _, _ = house_of({"door": SimpleNamespace(deciders=[words])})
    feedback = Feedback()
    learn_of(house, feedback)
    for source, kind, verdict in (("door", "alert", "fine"), ("shed", "alert", "fine"), ("door", "anomaly", "fine")):
        event = Event(kind, source, 1.0, {"prompt": "a dog", "score": 3.5}, steps=(Step("change", {}),))
        feedback.publish(event)
        feedback.give(event.id, cast("Any", verdict))
    words.state()
    taken = [np.ravel(np.asarray(state["fines"])).tolist() for state in words.thresholds().values()]
    assert [numbers.count(3.5) for numbers in taken] == [1]


def test_a_taught_thing_is_sought_by_its_name(tmp_path: Path, box: Path, models: Models) -> None:
    stripes, rings = files(tmp_path / "pictures", 0, 5), files(tmp_path / "pictures", 1, 5)
    made = teach_picture_files(tmp_path, models, "Zebra Rug", stripes, rings[:2])
    assert (made["kept"], made["clips"], made["shortage"]) == (True, 5, None)
    lessons = taught_pictures(tmp_path, models)
    known = Seekers(models, box).all(["zebra rug", 'the "Zebra Rug" on the floor', "a dog"], lessons)
    assert [one.lesson is not None for one in known] == [True, True, False]
    lesson = lessons["zebra rug"]
    own, other = (models.embedder.embed_image(pattern(99, kind)) for kind in (0, 1))
    assert lesson.logit(own) > 0 > lesson.logit(other)


@pytest.mark.parametrize(
    ("count", "name", "reason"),
    [
        pytest.param(21, "rug", "more than 20", id="too many"),
        pytest.param(3, "", "name ''", id="no name"),
    ],
)
def test_what_cannot_be_taught(tmp_path: Path, models: Models, count: int, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        teach_picture_files(tmp_path, models, name, ["missing.png"] * count)


def test_the_page_teaches_what_its_pictures_show_or_says_why_not(tmp_path: Path, models: Models) -> None:
    settings = Settings.model_validate({"device": {"data_dir": tmp_path}})
    learn = PageTeaching(settings, models)
    with pytest.raises(InputError, match="rug was not learnt: 2 pictures are too few"):
        learn("rug", [pattern(number, 0) for number in range(2)])
    assert taught_pictures(tmp_path, models) == {}
    told = learn("rug", [pattern(number, 0) for number in range(5)])
    assert (told.name, told.pictures, told.notes[0]) == ("rug", 5, "5 of 5 pictures would be found by the others.")
    assert list(taught_pictures(tmp_path, models)) == ["rug"]


def test_pictures_of_another_model_are_left_out_and_told(
    tmp_path: Path, models: Models, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach_picture_files(tmp_path, models, "rug", files(tmp_path / "pictures", 0, 3), force=True)
    monkeypatch.setattr("edge_runtime.wiring.teaching_pictures.picture_model", lambda _: "0" * 64)
    assert taught_pictures(tmp_path, models) == {}
    assert "taught with another model" in caplog.text


def test_on_the_demo_clip_the_visitor_and_the_cat_are_told_and_nothing_else(box: Path, models: Models) -> None:
    absent = ("a fire", "a dog on the sofa", "a parcel on the doorstep", "a man with a gun", "smoke", "a bicycle")
    wanted = settings(box, "a person at the door", "a cat", *absent)
    words = make_alerts(wanted.cameras[0], wanted, models)
    assert words is not None
    view = VisionPipeline(models.detector, MotionGate(0.002, 10.0), [words], Scene())
    clip = Path(str(resources.files("edge_runtime.demo"))) / "clip.mp4"
    film = VideoFile(CameraSettings(name="door", url=str(clip), fps=4))
    told = [event for frame in film.frames() for event in view.step(frame)]
    assert [event.data["prompt"] for event in told if event.kind == "alert"] == ["a person at the door", "a cat"]
