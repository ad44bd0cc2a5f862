"""The function app: triggers only. What they mean stands in exporter/."""

import logging
import os
import time
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import List  # noqa: UP035 - Microsoft's loader refuses the whole app for Out[list[str]]

import azure.functions as func

from exporter import report
from exporter.app import api, telemetry
from exporter.app.chain import WITHOUT_A_WORD, Chain, advance, chains, give_up
from exporter.clock import Clock, Deadline
from exporter.days.due import due_days
from exporter.errors import ExportError, SettingsError
from exporter.pages import page
from exporter.report import quiet_libraries
from exporter.run import tell_coverage
from exporter.settings import Settings, unknown_names
from exporter.wiring import new_run, open_days, open_exporter

QUEUE = "export-days"
STORAGE = "AzureWebJobsStorage"
DAY_SECONDS = 50 * 60  # below host.json's functionTimeout, so that a slow day fails with a reason

quiet_libraries()
log = logging.getLogger("exporter.app")
clock = Clock(now=lambda: datetime.now(UTC), monotonic=time.monotonic, sleep=time.sleep)
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.function_name("nightly")
@app.timer_trigger(arg_name="timer", schedule="%EXPORT_SCHEDULE%", run_on_startup=False, use_monitor=True)
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def nightly(timer: func.TimerRequest, queue: func.Out[str], context: func.Context) -> None:
    """Ask the core which days are due, and queue them as one chain."""
    with _operation(context):
        if timer.past_due:
            log.warning("the timer is past due: the app was not running at the scheduled time")
        settings, now = _settings(keys_needed=False), clock.now()
        for warning in unknown_names(os.environ):
            log.warning(warning)
        with open_days(settings) as days:
            coverage = days.coverage(now)
        tell_coverage(coverage)
        run, due = new_run(now), due_days(coverage, now, days.timing)
        for chain in chains(due[: api.MOST_DAYS], run, force=False, most=1):
            queue.set(chain.to_json())
        if coverage.never_an_event:
            log.warning(report.NEVER_AN_EVENT)
        log.info(report.run_queued(run, len(due), coverage.newest, sorted(set(coverage.missing) - set(due))))


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

    Nothing stands behind this function: a message that it fails on comes back five times and is then gone, and its
    days with it. So where the failure cannot be recorded (wrong settings, no way to the store) it is only logged, and
    the rest goes on all the same: a day that is not whole shows as missing, and is due, without any record.
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
                give_up(chain, days, clock.now(), _why_not() or WITHOUT_A_WORD)
        except ExportError as error:
            reason = f"gave up after every attempt, and this is not on record: {error}"
            log.error(report.day_failed(chain.days[0], error.kind, reason))
        if chain.rest:
            queue.set(chain.rest.to_json())


@app.function_name("rerun")
@app.route(route="exports/{day?}", methods=["POST"])
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def rerun(req: func.HttpRequest, queue: func.Out[List[str]], context: func.Context) -> func.HttpResponse:  # noqa: UP006 - as above
    """Queue days that a person asks for."""
    with _operation(context):
        now = clock.now()
        try:
            asked = api.read_rerun(req.route_params.get("day"), req.get_body(), now)
            settings = _settings()
            with open_days(settings) as days:
                held = days.coverage(now)
        except (api.BadRequestError, ExportError) as error:
            return _sent(api.answer_error(error))
        run = new_run(now)
        queued, answer = api.queue_rerun(asked, held, run, settings.concurrency)
        if queued:
            queue.set([chain.to_json() for chain in queued])
            asked_for = {day for chain in queued for day in chain.days}
            log.info(report.run_queued(run, len(asked_for), held.newest, sorted(set(held.missing) - asked_for)))
        return _sent(answer)


@app.function_name("coverage")
@app.route(route="exports/{day?}", methods=["GET"])
def coverage(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Show what the store holds: of one day, or of a range; a range as a page for a browser."""
    with _operation(context):
        now, text = clock.now(), req.route_params.get("day")
        try:
            day = api.read_day(text) if text else None
            first, last = api.read_range(req.params)
            settings = _settings(keys_needed=False)
            with open_days(settings) as days:
                if day:
                    return _sent(api.answer_day(days.stored(day)))
                held = days.coverage(now)
                if page.wanted(req.headers.get("Accept", "")):
                    return _sent(api.show_coverage(held, first, last, days, settings, now))
        except (api.BadRequestError, ExportError) as error:
            return _sent(api.answer_error(error))
        return _sent(api.answer_coverage(held, first, last, due_days(held, now, days.timing)))


def _operation(context: func.Context) -> AbstractContextManager[None]:
    return telemetry.operation(context.trace_context.trace_parent, context.trace_context.trace_state)


def _why_not() -> str:
    """What is wrong with the settings of an export; nothing could be recorded while it was."""
    try:
        _settings()
    except SettingsError as error:
        return str(error)
    return ""


def _settings(*, keys_needed: bool = True) -> Settings:
    """Read at each call, so that a wrong value is a failure line, not a vanished app."""
    settings = Settings.from_mapping(os.environ, keys_needed=keys_needed)
    if not (settings.storage_url or settings.storage_connection_string):
        raise SettingsError("EXPORT_STORAGE_URL is missing: the app's own disk is no place for dumps")
    logging.getLogger("exporter").setLevel(settings.log_level)
    return settings


def _sent(answer: api.Answer | api.Shown) -> func.HttpResponse:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **answer.headers}
    return func.HttpResponse(answer.text, status_code=answer.status, mimetype=answer.kind, headers=headers)
