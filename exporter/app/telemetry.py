"""Telemetry: every line of an invocation carries its operation id.

With the app setting PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY the worker loads OpenTelemetry and sends what the
logger `exporter` says to Application Insights. It attaches the invocation's trace context on its own thread, but runs
a function that is not `async` on another one, so the function attaches it again. Nothing is imported here that the
worker has not loaded: without telemetry this costs nothing.

No line of ours holds a secret. A traceback may, for it quotes what nobody thought of: `hide` sees to that.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from exporter.foreign import Foreign

OURS = "exporter"


@contextmanager
def operation(trace_parent: str, trace_state: str) -> Iterator[None]:
    """Let whatever is logged inside belong to the invocation with this W3C trace context."""
    if "opentelemetry.sdk" not in sys.modules:
        yield
        return
    from opentelemetry import context  # noqa: PLC0415 - only if the worker has loaded it
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415 - as above

    carrier = {"traceparent": trace_parent, "tracestate": trace_state}
    token = context.attach(tracecontext.TraceContextTextMapPropagator().extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


def hide(secrets: tuple[str, ...]) -> None:
    """Blank ``secrets`` in whatever the exporter logs from now on, tracebacks included, wherever it is sent."""
    hiding = _Hiding.of(secrets)
    for logger in (logging.getLogger(), logging.getLogger(OURS)):
        for handler in logger.handlers:
            if hiding not in handler.filters:  # in one step: another invocation may be logging
                handler.filters = [one for one in handler.filters if not isinstance(one, _Hiding)] + [hiding]


class _Hiding(logging.Filter):
    """Makes one text of a record of ours, and blanks what is secret in it."""

    def __init__(self, foreign: Foreign) -> None:
        super().__init__()
        self._foreign = foreign

    @staticmethod
    @cache
    def of(secrets: tuple[str, ...]) -> "_Hiding":
        """The one for these secrets."""
        return _Hiding(Foreign(secrets))

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through."""
        if record.name.split(".")[0] == OURS:
            text = record.getMessage()
            if record.exc_info:
                text = f"{text}\n{logging.Formatter().formatException(record.exc_info)}"
            record.msg, record.args, record.exc_info = self._foreign.blanked(text), (), None
        return True
