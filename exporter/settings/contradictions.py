"""What is wrong with settings that can each be read: what they say together, and what they stand for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from exporter.foreign.connections import connection_problem
from exporter.settings import words
from exporter.settings.values import LONGEST_CONTAINER

if TYPE_CHECKING:
    from exporter.settings import Settings


def contradictions(settings: "Settings", *, keys_needed: bool) -> Iterator[str]:
    """A sentence for each problem; some are empty."""
    for name, value in (("AMP_API_KEY", settings.api_key), ("AMP_SECRET_KEY", settings.secret_key)):
        yield words.key_problem(name, value, needed=keys_needed)
    yield words.erasure_key_problem("EXPORT_ERASURE_KEY", settings.erasure_key)
    yield words.source_problem("AMP_BASE_URL", settings.base_url)
    yield words.suffix_problem("EXPORT_STORAGE_SUFFIX", settings.storage_suffix)
    if settings.storage_url:
        yield words.storage_problem("EXPORT_STORAGE_URL", settings.storage_url, settings.storage_suffix)
    yield words.ping_problem("EXPORT_PING_URL", settings.ping_url) if settings.ping_url else ""
    if settings.container == settings.ledger_beside:
        yield (
            "EXPORT_LEDGER_CONTAINER and EXPORT_CONTAINER are the same. The ledger needs a container of its own, "
            "which can keep what is in it for good"
        )
    if len(settings.ledger_beside) > LONGEST_CONTAINER and not settings.ledger_container:
        yield (
            "EXPORT_CONTAINER is too long for its ledger's container, which would be called "
            f"{settings.ledger_beside}. Set EXPORT_LEDGER_CONTAINER"
        )
    text = settings.storage_connection_string
    if text and (problem := connection_problem(text)):
        yield f"EXPORT_STORAGE_CONNECTION_STRING: {problem}"
    if text and settings.storage_url:
        yield (
            "EXPORT_STORAGE_URL and EXPORT_STORAGE_CONNECTION_STRING are both set. Keep the URL for Azure, or the "
            "connection string for the emulator"
        )
