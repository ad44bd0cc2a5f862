"""Telemetry where no function host is needed. What arrives is shown by functions_host/test_app_telemetry.py."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable

import pytest

from exporter.app.telemetry import hide, operation
from exporter.run import export_due
from exporter.simulator import Simulator
from tests.kit.memory import MemoryStore
from tests.kit.rules import FEW_HOURS, exporter_on, first_look

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def in_a_new_python(script: str) -> object:
    """What ``script`` prints as JSON, in an interpreter that has imported nothing yet."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, text=True)
    return json.loads(done.stdout)


def test_without_telemetry_nothing_is_imported() -> None:
    """Where the worker has not loaded OpenTelemetry, an operation costs nothing."""
    loaded = in_a_new_python(
        "import json, sys; from exporter.app.telemetry import hide, operation\n"
        f"with operation('00-{TRACE}-{SPAN}-01', ''): print(json.dumps('opentelemetry' in sys.modules))"
    )
    assert loaded is False


@pytest.mark.parametrize("flags", ["00", "01"])
def test_an_operation_is_the_trace_of_the_invocation(flags: str) -> None:
    """Inside, the trace is the one that was handed in, sampled or not; outside it is gone, also after an error."""
    trace = pytest.importorskip("opentelemetry.trace")
    pytest.importorskip("opentelemetry.sdk")

    def current() -> str:
        return f"{trace.get_current_span().get_span_context().trace_id:032x}"

    def fail_inside() -> None:
        with operation(f"00-{TRACE}-{SPAN}-{flags}", ""):
            assert current() == TRACE
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_inside()
    assert current() == "0" * 32


@pytest.mark.parametrize("trace_parent", ["", "nonsense", None])
def test_a_missing_trace_context_costs_no_export(trace_parent: str) -> None:
    """A host that hands in no trace, or an odd one, is no reason to fail."""
    pytest.importorskip("opentelemetry.sdk")
    with operation(trace_parent, trace_parent):
        pass


def test_a_run_on_the_command_line_ends_with_its_summary(caplog: pytest.LogCaptureFixture) -> None:
    """The one line that alerts look for and the function app does not say."""
    caplog.set_level(logging.INFO)
    with (
        Simulator(contents=FEW_HOURS) as simulator,
        exporter_on(MemoryStore(), simulator, first_look()) as core,
    ):
        export_due(core)
    assert caplog.messages[-1].startswith("run summary: newest=2025-11-06 due=1 done=1 failed=0 missing=0 ledger=1:")


def logged(
    monkeypatch: pytest.MonkeyPatch, secrets: tuple[str, ...], act: Callable[[logging.Logger], None]
) -> list[logging.LogRecord]:
    """The records that a handler of the exporter's logger is given, once the secrets are to be hidden."""
    logger, records = logging.getLogger("exporter"), list[logging.LogRecord]()
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", records.append)
    logger.addHandler(handler)
    try:
        hide(secrets)
        hide(secrets)
        assert len(handler.filters) == 1
        act(logging.getLogger("exporter.days.failing"))
    finally:
        logger.removeHandler(handler)
        hide(())
    return records


def test_a_traceback_of_ours_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody thought of may quote anything: the record that is sent on has its traceback, and no secret in it."""

    def act(log: logging.Logger) -> None:
        try:
            int("Authorization: Basic a2V5OnNlY3JldA== key=secret-key")
        except ValueError:
            log.exception("a mistake with %s", "secret-key")

    (record,) = logged(monkeypatch, ("secret-key", "key:secret"), act)
    text = logging.Formatter().format(record)
    assert text.startswith("a mistake with ***\nTraceback (most recent call last):")
    assert text.endswith("'Authorization: Basic *** key=***'")
    assert not any(secret in text for secret in ("secret-key", "a2V5OnNlY3JldA"))
    assert record.exc_info is None


def test_new_secrets_take_the_place_of_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that was renewed is hidden from the next invocation on; a line without one stays as it is."""

    def act(log: logging.Logger) -> None:
        hide(("new-secret",))
        log.warning("day %s: new-secret", "2025-11-06")

    (record,) = logged(monkeypatch, ("old-secret",), act)
    assert record.getMessage() == "day 2025-11-06: ***"
