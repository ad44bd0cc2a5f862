"""The function app: triggers only. What they mean stands in exporter/."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import azure.functions as func

from exporter import report
from exporter.app import api, asking, telemetry
from exporter.app.chain import WITHOUT_A_WORD, Chain, advance, chains, give_up
from exporter.app.following import follow
from exporter.app.given import app_settings, why_not
from exporter.app.rerun import answer_rerun
from exporter.app.stop import ask_stop
from exporter.clock import Clock, Deadline
from exporter.days.due import due_days
from exporter.days.scrub import try_to_scrub
from exporter.doctor.checks import check_all
from exporter.errors import ExportError
from exporter.pages import page
from exporter.pages.shown import showing
from exporter.report import quiet_libraries
from exporter.run import tell_coverage
from exporter.settings import Settings, unknown_names
from exporter.wiring import new_run, open_days, open_exporter

QUEUE, STORAGE = "export-days", "AzureWebJobsStorage"
DAY_SECONDS = 50 * 60  # below host.json's functionTimeout, so that a slow day fails with a reason
DAYS = "exports/{day:minlength(7)?}"
"""The route of a day, or of none. The platform tries routes in the order of the functions' names, so without the bound
`exports/health` would be a day to `coverage`, and `exports/stop` one to `rerun`: with the keys of those."""

quiet_libraries()
log = logging.getLogger("exporter.app")
clock = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, sleep=time.sleep)
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("nightly")
@app.timer_trigger(arg_name="timer", schedule="%EXPORT_SCHEDULE%", run_on_startup=False, use_monitor=True)
@app.retry(strategy="fixed_delay", max_retry_count="5", delay_interval="00:05:00")
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def nightly(timer: func.TimerRequest, queue: func.Out[str], context: func.Context) -> None:
    """Ask the core which days are due, and queue them as one chain. The platform repeats what raises."""
    with _operation(context):
        if timer.past_due:
            log.warning("the timer is past due: the app was not running at the scheduled time")
        settings, now = _settings(keys_needed=False), clock.now()
        log.info(report.program())
        for warning in unknown_names(os.environ):
            log.warning(warning)
        with open_days(settings) as days:
            coverage, ledger = days.coverage(now), days.ledger.shown(now.year)
        tell_coverage(coverage)
        run, due = new_run(now), due_days(coverage, now, days.timing)
        for chain in chains(due[: asking.MOST_DAYS], run, now, force=False, most=1):
            queue.set(chain.to_json())
        if coverage.never_an_event:
            log.warning(report.NEVER_AN_EVENT)
        follow(settings, _settings, clock, run)
        log.info(report.run_queued(run, len(due), coverage.newest, sorted(set(coverage.missing) - set(due)), ledger))


@app.function_name("scrub")
@app.timer_trigger(arg_name="timer", schedule="%EXPORT_SCHEDULE%", run_on_startup=False, use_monitor=True)
def scrub(timer: func.TimerRequest, context: func.Context) -> None:  # noqa: ARG001 - the platform names its trigger
    """Read some of the final days back. A function of its own: what `nightly` queues is sent when that returns."""
    with _operation(context):
        try:
            settings = _settings(keys_needed=False)
            with open_days(settings) as days:
                try_to_scrub(days, settings.scrub_days, new_run(clock.now()), clock)
        except ExportError as error:
            log.error(report.scrub_failed(str(error)))


@app.function_name("export_day")
@app.queue_trigger(arg_name="message", queue_name=QUEUE, connection=STORAGE)
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def export_day(message: func.QueueMessage, queue: func.Out[str], context: func.Context) -> None:
    """Export the chain's first day and send the rest on. The platform repeats what raises."""
    with _operation(context):
        chain = Chain.from_json(message.get_body())
        with open_exporter(_settings(), clock, chain.run) as core:
            rest = advance(chain, core, Deadline(clock, clock.monotonic() + DAY_SECONDS))
        if rest:
            queue.set(rest.to_json())


@app.function_name("export_day_failed")
@app.queue_trigger(arg_name="message", queue_name=f"{QUEUE}-poison", connection=STORAGE)
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def export_day_failed(message: func.QueueMessage, queue: func.Out[str], context: func.Context) -> None:
    """Record the day that the platform gave up on, and send the rest on.

    A message that this fails on is gone after five times, and its days with it. So a failure that cannot be recorded is
    only logged, and the rest goes on: a day that is not whole is due without a record.
    """
    with _operation(context):
        try:
            chain = Chain.from_json(message.get_body())
        except ValueError as error:
            log.error(f"a message on {QUEUE} is dropped: {error}")
            return
        try:
            settings = _settings(keys_needed=False)
            with open_days(settings) as days:
                give_up(chain, days, clock.now(), why_not(os.environ) or WITHOUT_A_WORD)
        except ExportError as error:
            reason = f"gave up after every attempt, and this is not on record: {error}"
            log.error(report.day_failed(chain.days[0], error.kind, reason))
        if chain.rest:
            queue.set(chain.rest.to_json())


@app.function_name("rerun")
@app.route(route=DAYS, methods=["POST"])
def rerun(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Queue days that a person asks for."""
    return _rerun(req, context, force=False)


@app.function_name("rerun_forced")
@app.route(route=DAYS.replace("exports", "exports/forced"), methods=["POST"])
def rerun_forced(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Queue days that are to be replaced even if they had more events. Only this function's key makes a day smaller."""
    return _rerun(req, context, force=True)


@app.function_name("stop")
@app.route(route="exports/stop", methods=["POST"])
def stop(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """End the chains that have begun until now."""

    def answer() -> api.Answer:
        asking.read_nothing(req.get_body())
        now = clock.now()
        with open_days(_settings(keys_needed=False)) as days:
            ask_stop(days, now)
        return api.answer_stop(now)

    return _answered(req, context, answer)


@app.function_name("coverage")
@app.route(route=DAYS, methods=["GET"])
def coverage(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Show what the store holds: of one day, or of a range; a range as a page for a browser."""

    def answer() -> api.Reply:
        now, text = clock.now(), req.route_params.get("day")
        day = asking.read_day(text) if text else None
        first, last = asking.read_range(req.params)
        settings = _settings(keys_needed=False)
        with open_days(settings) as days:
            if day:
                return api.answer_day(days.stored(day), showing(settings))
            held = days.coverage(now)
            shown = api.show_coverage if page.wanted(req.headers.get("Accept", "")) else api.answer_coverage
            return shown(held, first, last, days, settings, now)

    return _answered(req, context, answer)


@app.function_name("health")
@app.route(route="exports/health", methods=["GET"])
def health(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Check what an export needs, without exporting a day."""

    def answer() -> api.Answer:
        return api.answer_health(check_all(os.environ, clock, new_run(clock.now()), in_app=True))

    return _answered(req, context, answer)


def _rerun(req: func.HttpRequest, context: func.Context, *, force: bool) -> func.HttpResponse:
    def answer() -> api.Answer:
        from exporter.app.backlog import open_backlog  # noqa: PLC0415 - the storage SDK, which loading the app spares

        now = clock.now()
        asked = asking.read_rerun(req.route_params.get("day"), req.get_body(), now, force=force)
        settings = _settings()
        with open_days(settings) as days, open_backlog(os.environ, QUEUE) as queue:
            return answer_rerun(asked, days, queue, new_run(now), now, settings.concurrency)

    return _answered(req, context, answer)


def _answered(req: func.HttpRequest, context: func.Context, answer: Callable[[], api.Reply]) -> func.HttpResponse:
    """What every HTTP function has in common: its operation, the bound of the body, and how errors are answered."""
    with _operation(context):
        try:
            asking.check_size(req.headers, req.get_body())
            given = answer()
        except (asking.BadRequestError, ExportError) as error:
            given = api.answer_error(error)
        return func.HttpResponse(given.text, status_code=given.status, mimetype=given.kind, headers=dict(given.headers))


@contextmanager
def _operation(context: func.Context) -> Iterator[None]:
    """What is logged inside belongs to the invocation. What is raised goes to the platform, which tells all of it.

    So the library's error behind one of ours stays here: its words passed the door of foreign text, and it did not.
    """
    with telemetry.operation(context.trace_context.trace_parent, context.trace_context.trace_state):
        try:
            yield
        except ExportError as error:
            raise error from None


def _settings(*, keys_needed: bool = True) -> Settings:
    return app_settings(os.environ, keys_needed=keys_needed)
