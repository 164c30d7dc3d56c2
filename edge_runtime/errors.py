"""Everything that can go wrong, and who handles it.

EdgeError                  cli prints one line and picks the exit status
├── ConfigError            the owner mends the settings; exit 2
├── InputError             the caller mends the file or argument; exit 2, or an "error" line
├── BundleError            the owner reinstalls the bundle; exit 2
├── SourceError            Worker retries with back-off and shows the source as degraded
├── SpeechError            Speaker logs it once, drops the text and goes on; `say` exits with 1
├── BusyError              whoever asks waits and asks again
├── SinkError              FanOut counts it, the other sinks go on; the spool keeps the event
└── CloudError             CloudResponder retries, else the answer abstains
    ├── CloudAuthError     never retried: the key is wrong or missing
    ├── CloudRateLimitError    retried after `retry_after_s`
    ├── CloudUnavailableError  retried: 5xx, connection refused, time-out
    ├── CloudProtocolError     never retried: the reply is not the OpenAI wire format
    ├── BudgetExceededError    never retried: the money cap is reached
    ├── EgressRefusedError     never retried: the owner lets nothing of this kind out
    └── CancelledError         nobody waits for the answer any more
"""

from __future__ import annotations


class EdgeError(Exception):
    """Root of all errors this program raises on purpose; the message is one line, ready to show."""


class ConfigError(EdgeError):
    """The settings are wrong; the message names the key, the value and what is allowed."""


class InputError(EdgeError):
    """A file or argument given by the caller cannot be used."""


class BundleError(EdgeError):
    """A model bundle is missing, incomplete or changed."""


class SourceError(EdgeError):
    """A camera or microphone cannot be opened or stopped delivering."""


class SpeechError(EdgeError):
    """The synthesiser failed, hung or was told to stop."""


class BusyError(EdgeError):
    """Too much waits to be done already."""


class SinkError(EdgeError):
    """An event could not be handed to one sink."""


class CloudError(EdgeError):
    """The cloud could not answer."""


class CloudAuthError(CloudError):
    """The endpoint refused the key, or there is none."""


class CloudRateLimitError(CloudError):
    """The endpoint asked to slow down.

    Attributes:
        retry_after_s: seconds the endpoint asked to wait, None where it did not say.
    """

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class CloudUnavailableError(CloudError):
    """The endpoint did not answer, or answered with a server error."""


class CloudProtocolError(CloudError):
    """The endpoint's reply cannot be understood."""


class BudgetExceededError(CloudError):
    """The money cap does not allow this call."""


class EgressRefusedError(CloudError):
    """The owner's policy lets nothing of this kind leave the box."""


class CancelledError(CloudError):
    """Nobody waits for the answer any more."""
