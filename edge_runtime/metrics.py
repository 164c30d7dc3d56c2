"""The counters and histograms of this program, in Prometheus' base units."""

from __future__ import annotations

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """What this process has done since it started; one object, handed to the rooms that count."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.frames = Counter("edge_frames", "Pictures taken from the cameras.", ["source"], registry=registry)
        self.frames_dropped = Gauge(
            "edge_frames_dropped", "Pictures overwritten before the model was free.", ["source"], registry=registry
        )
        self.frames_missed = Counter(
            "edge_frames_missed", "Pictures that came while this program was too busy.", ["source"], registry=registry
        )
        self.sound_lost = Counter(
            "edge_sound_lost", "Times that sound of a microphone was lost.", ["source"], registry=registry
        )
        self.looks = Counter("edge_looks", "Pictures the model has seen.", ["source"], registry=registry)
        self.patches = Counter(
            "edge_sound_patches",
            "Seconds of sound, half overlapping, that the model has heard.",
            ["source"],
            registry=registry,
        )
        self.events = Counter("edge_events", "Events accepted.", ["kind"], registry=registry)
        self.evidence = Counter(
            "edge_evidence", "Alerts of which evidence was kept, failed to be, or was dropped.", ["outcome"],
            registry=registry,
        )  # fmt: skip
        self.evidence_bytes = Gauge("edge_evidence_bytes", "What the evidence takes on the disk.", registry=registry)
        self.answers = Counter("edge_answers", "Answers given.", ["origin"], registry=registry)
        self.cloud_usd = Counter("edge_cloud_usd", "Money spent on the cloud.", registry=registry)
        self.restarts = Counter("edge_worker_restarts", "Times a worker began again.", ["worker"], registry=registry)
        self.degraded = Gauge("edge_degraded", "1 while a worker waits to try again.", ["worker"], registry=registry)
        self.frame_seconds = Histogram(
            "edge_frame_seconds", "From picture taken to events accepted.", registry=registry, buckets=_LATENCY_S
        )
        self.http_requests = Counter(
            "edge_http_requests", "Requests to the HTTP API.", ["route", "status"], registry=registry
        )
        self.http_seconds = Histogram(
            "edge_http_seconds", "From request to the last byte of its reply.", ["route"], registry=registry,
            buckets=_LATENCY_S,
        )  # fmt: skip

    exposition_type = CONTENT_TYPE_LATEST

    def exposition(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return generate_latest(self.registry)
