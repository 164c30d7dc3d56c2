"""The workers of one box: what each thread does, and where they meet."""

from __future__ import annotations

import logging
import queue
import re
import time
from collections import Counter, deque
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.channels import Latest
from edge_runtime.errors import EdgeError
from edge_runtime.pipelines.dictation import unwritten
from edge_runtime.questions import Questions, next_of
from edge_runtime.runtime import ONLINE, Stage, Worker
from edge_runtime.sources.health import PictureHealth, SoundHealth
from edge_runtime.types import Answer, AudioChunk, Event, Frame, Observation, Question

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from edge_runtime.metrics import Metrics
    from edge_runtime.pipelines.answering import Answerer
    from edge_runtime.pipelines.dictation import Dictation
    from edge_runtime.pipelines.sound import SoundPipeline
    from edge_runtime.pipelines.vision import VisionPipeline
    from edge_runtime.pipelines.voice import VoicePipeline
    from edge_runtime.sinks.fanout import FanOut
    from edge_runtime.sources.health import PictureStatus, SoundStatus
    from edge_runtime.sources.opening import ChunkSource, FrameSource
    from edge_runtime.wiring.controls import Controls
    from edge_runtime.wiring.feedback import Feedback
    from edge_runtime.wiring.mouth import Mouth

log = logging.getLogger(__name__)

OVERTAKEN_AFTER_S = 0.4
"""A camera loses no picture because the box is busy for a moment, as when other cameras are opened again."""
CHUNKS_KEPT = 63
UNWRITTEN_KEPT = 3
"""Speech that is still to be written down waits behind so many questions at most, so that a slow dictation forgets some
of what was said instead of making the ears wait."""

TIMER_INTENT = re.compile(r"Hass\w*Timer\w*")
PATIENCE_S = 60.0
TICK_S = 0.5


class House:
    """Cameras and microphones in, events out; `stages` are its workers in the order in which they end."""

    def __init__(
        self,
        fanout: FanOut,
        answerer: Answerer,
        metrics: Metrics,
        mouth: Mouth | None = None,
        dictation: Dictation | None = None,
    ) -> None:
        self.fanout = fanout
        self.mouth = mouth
        self.counts: Counter[str] = Counter()
        self.latencies_s: deque[float] = deque(maxlen=10_000)
        self.first_detection_at: float | None = None
        self.last_found: tuple[Frame, Observation] | None = None
        self._metrics = metrics
        self.questions = Questions(answerer, dictation, metrics, self.publish, self._say, self._hurried)
        self._latest: Latest[tuple[Frame, float]] = Latest(OVERTAKEN_AFTER_S)
        self._sources: list[Worker] = []
        self._listeners: list[Worker] = []
        self._chunks: list[queue.Queue[AudioChunk | None]] = []
        self._ears: set[str] = set()
        self._taps: dict[str, list[Callable[[AudioChunk], None]]] = {}
        self._onlookers: list[Callable[[Frame], None]] = []
        self._held_back: Callable[[Event], bool] = lambda _: False
        self.views: dict[str, VisionPipeline] = {}
        self.feedback: Feedback | None = None
        self.controls: Controls | None = None

    def add_camera(self, source: FrameSource, view: VisionPipeline, *, paced: bool, fixed: bool = True) -> None:
        """Watch a camera that is `fixed` to its place or pans.

        `paced` sources deliver in their own time, the others wait until each frame is analysed.
        """
        self.views[source.name] = view
        health = PictureHealth(fixed=fixed)

        def capture(worker: Worker) -> None:
            known = source.missed
            for frame in source.frames():
                if worker.stopping.is_set():
                    break
                if source.live:
                    found = health.check(frame)
                    worker.healthy(*(source.trouble or (_state(found.status), found.reason)))
                else:
                    worker.healthy()
                self._metrics.frames.labels(source.name).inc()
                self._metrics.frames_missed.labels(source.name).inc(source.missed - known)
                known = source.missed
                self.counts["frames"] += 1
                for look_on in self._onlookers:
                    look_on(frame)
                self._latest.put(source.name, (frame, time.monotonic()), wait_s=0 if paced else PATIENCE_S)
            source.close()

        self._add_source(source.name, capture)

    def add_microphone(
        self, source: ChunkSource, voice: VoicePipeline, sounds: SoundPipeline | None = None, *, paced: bool
    ) -> None:
        """Listen to a microphone for speech, and for `sounds`.

        What nobody has time for within two seconds is dropped and counted.
        """
        chunks: queue.Queue[AudioChunk | None] = queue.Queue(CHUNKS_KEPT)
        self._chunks.append(chunks)
        self._ears.add(source.name)
        health = SoundHealth()

        def listen(worker: Worker) -> None:
            dropped, known = 0, source.lost
            for chunk in source.chunks():
                if worker.stopping.is_set():
                    break
                for tap in self._taps.get(source.name, ()):
                    tap(chunk)
                if paced and chunks.full():
                    with suppress(queue.Empty):
                        chunks.get_nowait()
                        self.counts["chunks_dropped"] += 1
                        dropped += 1
                lost = source.lost + dropped
                self._metrics.sound_lost.labels(source.name).inc(lost - known)
                known = lost
                worker.healthy(_state(health.check(chunk, lost)) if source.live else ONLINE)
                chunks.put(chunk, timeout=PATIENCE_S)
            source.close()

        def understand(worker: Worker) -> None:
            while (chunk := next_of(chunks, worker)) is not None:
                if self.mouth:
                    self.mouth.listen(chunk)
                self._take(voice.step(chunk), paced=paced)
                if sounds:
                    self._hear(sounds, chunk)
            self._take(voice.flush(), paced=paced)

        self._add_source(source.name, listen)
        self._listeners.append(Worker(f"{source.name}-voice", understand, self._metrics))

    def listen_along(self, microphone: str, tap: Callable[[AudioChunk], None]) -> None:
        """Give every chunk of a microphone to `tap` too, which must not wait."""
        self._taps.setdefault(microphone, []).append(tap)

    def watch_along(self, look_on: Callable[[Frame], None]) -> None:
        """Give every frame of every camera to `look_on` too, in the thread that captures it; it must not wait."""
        self._onlookers.append(look_on)

    def add_server(self, name: str, serve: Callable[[threading.Event, Callable[[], None]], None]) -> None:
        """Let other programs in until told to stop; `serve` gets what says so, and what to call as long as it works."""
        self._sources.append(Worker(name, lambda worker: serve(worker.stopping, worker.healthy), self._metrics))

    def stages(self) -> Sequence[Stage]:
        """Return the workers: sources first, then those who understand, then the one who answers."""
        watchers = [Worker("vision", self._watch, self._metrics), *self._listeners]
        answerers = [Worker("answering", self.questions.answer, self._metrics)]
        return (
            Stage(self._sources, self._close_sources),
            Stage(watchers, self.questions.close),
            Stage(answerers, lambda: None),
        )

    def states(self) -> Mapping[str, str]:
        """Return the state of every source by its name, empty as long as nothing is known."""
        return {worker.name: worker.state for worker in self._sources}

    def ask(self, question: Question) -> Answer:
        """Answer a question that came from outside, after those already waiting.

        Raises:
            EdgeError: too many questions wait, or the answer takes too long.
        """
        try:
            return self.questions.submit(question).result(PATIENCE_S)
        except TimeoutError:
            raise EdgeError(f"no answer within {PATIENCE_S:.0f} s; ask again later") from None

    def _hurried(self) -> bool:
        return any(worker.stopping.is_set() for worker in self._sources)

    def _say(self, question: Question, answer: Answer) -> None:
        """Say the answer to a spoken question."""
        if self.mouth and question.source in self._ears:
            self.mouth.answer(answer.text)

    def hold_back(self, take: Callable[[Event], bool]) -> None:
        """Let `take` see each event first; what it returns True for, it hands to `tell` itself, soon."""
        self._held_back = take

    def publish(self, event: Event) -> None:
        """Tell an event, unless it is held back for a while."""
        if not self._held_back(event):
            self.tell(event)

    def tell(self, event: Event) -> None:
        """Hand an event to every sink and count it; from any thread."""
        self.fanout.publish(event)
        self.counts[f"{event.kind} events"] += 1
        self._metrics.events.labels(event.kind).inc()

    def latency_ms(self) -> Mapping[str, float]:
        """Return how long frames took from capture to accepted events: median and 99th percentile."""
        spent = np.asarray(self.latencies_s or [0.0]) * 1000
        return {f"p{share}": round(float(np.percentile(spent, share)), 1) for share in (50, 99)}

    def _add_source(self, name: str, work: Callable[[Worker], None]) -> None:
        def tell(status: str, reason: str) -> None:
            data = {"status": status, "reason": reason}
            self.publish(Event("source_status", name, time.monotonic(), data))

        self._sources.append(Worker(name, work, self._metrics, tell))

    def _close_sources(self) -> None:
        self._latest.close()
        for chunks in self._chunks:
            chunks.put(None, timeout=PATIENCE_S)

    def _watch(self, worker: Worker) -> None:
        last: dict[str, float] = {}
        while not self._latest.closed:
            worker.beat()
            taken = self._latest.get(TICK_S)
            if taken is None:
                continue
            frame, put_at = taken
            view, looks = self.views[frame.source], self.views[frame.source].looks
            for event in view.step(frame):
                self.publish(event)
            last[frame.source] = frame.at
            self._count_look(view, looks, frame)
            self.latencies_s.append(time.monotonic() - put_at)
            self._metrics.frame_seconds.observe(self.latencies_s[-1])
            self._metrics.frames_dropped.labels(frame.source).set(self._latest.dropped.get(frame.source, 0))
        for name, at in last.items():
            for event in self.views[name].finish(name, at):
                self.publish(event)

    def _count_look(self, view: VisionPipeline, looks_before: int, frame: Frame) -> None:
        if view.looks == looks_before or view.last is None:
            return
        self._metrics.looks.labels(view.last.source).inc()
        self.counts["looks"] += 1
        self.counts["detections"] += len(view.last.detections)
        if not view.last.detections:
            return
        self.last_found = (frame, view.last)
        if self.first_detection_at is None:
            self.first_detection_at = time.monotonic()

    def _hear(self, sounds: SoundPipeline, chunk: AudioChunk) -> None:
        before = sounds.evaluated
        for event in sounds.step(chunk):
            self.publish(event)
        self._metrics.patches.labels(chunk.source).inc(sounds.evaluated - before)

    def _take(self, understood: Sequence[Event | Question], *, paced: bool) -> None:
        for item in understood:
            if self.mouth and not self.mouth.lets_pass(item):
                self.counts["heard_while_speaking"] += 1
            elif isinstance(item, Event):
                self.publish(item)
                command = about_timers(item)
                if command:
                    self.questions.put(command)
                elif self.mouth:
                    self.mouth.confirm(item)
            elif paced and unwritten(item) and self.questions.waiting >= UNWRITTEN_KEPT:
                self.counts["dictations_dropped"] += 1
            else:
                self.questions.put(item)


def about_timers(event: Event) -> Question | None:
    """Return a spoken command about timers as a question: the box keeps them itself. None for all else."""
    if event.kind != "intent" or not TIMER_INTENT.fullmatch(str(event.data.get("intent"))):
        return None
    return Question(str(event.data.get("transcript", "")), event.source, event.at)


def _state(status: PictureStatus | SoundStatus) -> str:
    """Return a source's state as the world hears it: the trouble, or that it is online."""
    return ONLINE if status.value == "ok" else status.value
