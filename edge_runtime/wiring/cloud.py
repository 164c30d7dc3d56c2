"""The cloud as the settings want it: providers, money, cache and what may leave."""

from __future__ import annotations

import ipaddress
import logging
import os
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from edge_runtime.answer_sections import ProviderSettings
    from edge_runtime.cloud.answer_cache import AnswerCache
    from edge_runtime.cloud.providers import Provider
    from edge_runtime.cloud.responder import CloudResponder
    from edge_runtime.cloud.spending import Spending, Spent
    from edge_runtime.config import Settings
    from edge_runtime.prompts.book import PromptBook
    from edge_runtime.wiring.assembly import Models

logger = logging.getLogger(__name__)

SPENDING = "spending.db"
ANSWERS = "answers.db"
OWN_KEY = "EDGE_CLOUD_API_KEY"


def make_cloud(settings: Settings, models: Models, book: PromptBook) -> CloudResponder | str:
    """Return who is asked, or the end of "I am not sure, and ..."."""
    if not settings.cloud.enabled:
        return "asking the cloud is switched off"
    providers = [made for provider in settings.cloud.providers if (made := _provider(settings, provider))]
    if not providers:
        needed = dict.fromkeys(provider.key_env for provider in settings.cloud.providers)
        return f"{' and '.join(needed)} {'is' if len(needed) == 1 else 'are'} not set"
    from edge_runtime.cloud.attempt import Books  # noqa: PLC0415
    from edge_runtime.cloud.responder import CloudResponder  # noqa: PLC0415
    from edge_runtime.wiring.egress import make_egress  # noqa: PLC0415

    books = Books(make_egress(settings, models), make_spending(settings))
    return CloudResponder(settings.cloud, providers, book, books, _cache(settings, models))


def make_spending(settings: Settings) -> Spending:
    """Return what keeps the money caps."""
    from edge_runtime.cloud.spending import Spending  # noqa: PLC0415

    return Spending(_folder(settings) / SPENDING, settings.cloud.budget)


def spent_now(settings: Settings) -> Sequence[Spent]:
    """Return each cap and what of it is spent.

    Raises:
        CloudError: the file that knows cannot be used.
    """
    with closing(make_spending(settings)) as spending:
        return spending.summary()


def key_of(settings: Settings, provider: ProviderSettings) -> str | None:
    """Return the key of a provider, None where there is none."""
    own = settings.secrets.cloud_api_key
    key = own.get_secret_value() if own is not None and provider.key_env == OWN_KEY else None
    return key or os.environ.get(provider.key_env) or None


def _provider(settings: Settings, provider: ProviderSettings) -> Provider | None:
    key = key_of(settings, provider)
    if key is None:
        logger.warning("cloud provider %s is left out: set its key in %s", provider.name, provider.key_env)
        return None
    from edge_runtime.cloud.client import ChatClient  # noqa: PLC0415 - openai is slow to import
    from edge_runtime.cloud.providers import Provider  # noqa: PLC0415

    if provider.base_url.startswith("http:") and not _is_near(provider.base_url):
        logger.warning("cloud provider %s is asked without encryption; its base_url should be https", provider.name)
    client = ChatClient(provider.base_url, key, provider.model, provider.key_env, provider.limit_key)
    return Provider(provider, client)


def _is_near(url: str) -> bool:
    """Tell whether an address is within this box or its own network."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith(".local")


def _cache(settings: Settings, models: Models) -> AnswerCache | None:
    if not settings.cloud.cache.enabled:
        return None
    from edge_runtime.cloud.answer_cache import AnswerCache  # noqa: PLC0415

    embed = models.embedder.embed_text if models.manifest.text else None
    asked = ",".join(f"{one.name}/{one.model}" for one in settings.cloud.providers)
    scope = f"{asked}|{settings.cloud.max_output_tokens}|{models.manifest.name}@{models.manifest.version}"
    return AnswerCache(_folder(settings) / ANSWERS, settings.cloud.cache, scope, embed)


def _folder(settings: Settings) -> Path:
    return settings.device.data_dir.expanduser()
