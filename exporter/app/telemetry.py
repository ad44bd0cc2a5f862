"""Telemetry: every line of an invocation carries its operation id.

With the app setting PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY the worker loads OpenTelemetry and sends what the
logger `exporter` says to Application Insights. It attaches the invocation's trace context on its own thread, but runs
a function that is not `async` on another one, so the function attaches it again. Nothing is imported here that the
worker has not loaded: without telemetry this costs nothing.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
