"""What the host knows of a function, and of one run of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

Binding = Mapping[str, Any]


class HostError(Exception):
    """The host refuses an app, or a function failed; the text is the host's or the worker's."""


@dataclass(frozen=True)
class Log:
    """One log record of the worker; `system` tells Microsoft's from the app's."""

    level: str
    category: str
    message: str
    invocation_id: str
    system: bool


@dataclass(frozen=True)
class Invocation:
    """One run of a function, its retries by retry policy included.

    Attributes:
        invocation_id: The last attempt's id.
        ok: Whether the last attempt succeeded.
        error: The last attempt's exception as one line, else empty.
        stack: Its stack trace, else empty.
        returned: What the function returned: str, bytes, JSON, an RpcHttp message or None.
        outputs: What it set on its output bindings, by name.
        logs: The last attempt's log records.
        attempts: 1 and more.
        trace_parent: The W3C trace context the last attempt ran in.
    """

    invocation_id: str
    ok: bool
    error: str
    stack: str
    returned: Any
    outputs: Mapping[str, Any]
    logs: tuple[Log, ...]
    attempts: int
    trace_parent: str

    def check(self) -> Self:
        """Returns itself.

        Raises:
            HostError: The function failed.
        """
        if not self.ok:
            raise HostError(f"{self.error}\n{self.stack}")
        return self

    def said(self, level: str | None = None) -> list[str]:
        """The app's own log messages, of one level if given."""
        return [log.message for log in self.logs if not log.system and level in {None, log.level}]


@dataclass(frozen=True)
class Function:
    """An indexed function.

    Attributes:
        name: The name the app gave it.
        function_id: The worker's id for it.
        bindings: Every binding, `%NAME%` resolved.
        max_retries: Of its retry policy; 0 without one.
        metadata: The worker's own words, to load it with.
    """

    name: str
    function_id: str
    bindings: tuple[Binding, ...]
    max_retries: int
    metadata: Any

    @classmethod
    def of(cls, metadata: Any, settings: Mapping[str, str]) -> Self:
        """The function of one answer to indexing.

        Raises:
            HostError: A binding names a setting that does not exist.
        """
        bindings = tuple(_resolved(json.loads(text), settings) for text in metadata.raw_bindings)
        retries = metadata.retry_options.max_retry_count if metadata.HasField("retry_options") else 0
        return cls(metadata.name, metadata.function_id, bindings, retries, metadata)

    @property
    def trigger(self) -> Binding:
        """The binding that starts it."""
        return next(b for b in self.bindings if b["type"].endswith("Trigger"))

    @property
    def kind(self) -> str:
        """The trigger's type: `timerTrigger`, `queueTrigger`, `httpTrigger`."""
        return str(self.trigger["type"])


def _resolved(binding: Binding, settings: Mapping[str, str]) -> Binding:
    """The binding with every `%NAME%` replaced by that setting, as the host's name resolver does."""

    def setting(match: re.Match[str]) -> str:
        if match[1] not in settings:
            raise HostError(f"'{match[0]}' does not resolve to a value.")
        return settings[match[1]]

    def value(given: Any) -> Any:
        return re.sub(r"%([^%]+)%", setting, given) if isinstance(given, str) else given

    return {key: value(given) for key, given in binding.items()}
