"""Who writes down free speech, as the settings want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.bundles.manifest import Manifest
from edge_runtime.errors import ConfigError

if TYPE_CHECKING:
    from edge_runtime.pipelines.dictation import Dictation
    from edge_runtime.sections import DictationSettings


def make_dictation(settings: DictationSettings, threads: int) -> Dictation | None:
    """Return who writes down free speech, None where nobody does.

    Args:
        settings: which back end, and its folder.
        threads: processor threads of one run.

    Raises:
        ConfigError: vosk is given a language or a task.
        BundleError: the folder is no bundle, or has no speech recogniser.
        InputError: vosk is not installed or has no model there, or the bundle does not know the language or the task.
    """
    # Few boxes write down anything, and the others need not spend time and memory on it.
    task = None if settings.task == "transcribe" else settings.task
    if settings.backend == "vosk" and settings.folder:
        if settings.language or task:
            raise ConfigError("a vosk model has one language and writes it down; name neither language nor task")
        from edge_runtime.inference.vosk_model import VoskTranscriber  # noqa: PLC0415

        return VoskTranscriber(settings.folder)
    if settings.backend == "bundle" and settings.folder:
        from edge_runtime.inference.speech import Transcriber  # noqa: PLC0415

        manifest = Manifest.load(settings.folder)
        manifest.verify()
        return Transcriber(manifest, threads=threads, language=settings.language, task=task)
    return None
