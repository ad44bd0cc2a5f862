"""The function app: triggers only. What they mean stands in exporter/."""

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import List  # noqa: UP035 - Microsoft's loader refuses the whole app for Out[list[str]]

import azure.functions as func

from exporter import http, report
from exporter.chain import Chain, advance, chains, failed
from exporter.clock import Clock, Deadline
from exporter.coverage import read_coverage
from exporter.due import due_days_of, yesterday_of
from exporter.errors import SettingsError
from exporter.export import Exporter
from exporter.known import look
from exporter.logging_config import quiet_libraries
from exporter.settings import Settings, unknown_names
from exporter.window import parse_day
from exporter.wiring import new_run, open_exporter, open_store

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
def nightly(timer: func.TimerRequest, queue: func.Out[str]) -> None:
    """Ask the core which days are due, and queue them as one chain."""
    if timer.past_due:
        log.warning("the timer is past due: the app was not running at the scheduled time")
    settings, now = _settings(keys_needed=False), clock.now()
    for warning in unknown_names(os.environ):
        log.warning(warning)
    with open_store(settings) as store:
        coverage = read_coverage(store, settings.layout, yesterday_of(now))
    run = new_run(now)
    days = due_days_of(coverage, now, settings)
    for chain in chains(days, run, force=False, most=1):
        queue.set(chain.to_json())
    log.info(report.run_queued(run, len(days), coverage.newest, coverage.missing))


@app.function_name("export_day")
@app.queue_trigger(arg_name="message", queue_name=QUEUE, connection=STORAGE)
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def export_day(message: func.QueueMessage, queue: func.Out[str]) -> None:
    """Export the chain's first day and send the rest on. The platform repeats what raises."""
    chain = Chain.from_json(message.get_body().decode())
    with _exporter(chain.run) as exporter:
        rest = advance(chain, exporter, Deadline(clock, clock.monotonic() + DAY_SECONDS))
    if rest:
        queue.set(rest.to_json())


@app.function_name("export_day_failed")
@app.queue_trigger(arg_name="message", queue_name=f"{QUEUE}-poison", connection=STORAGE)
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def export_day_failed(message: func.QueueMessage, queue: func.Out[str]) -> None:
    """Record the day that the platform gave up on, and send the rest on."""
    text = message.get_body().decode()
    try:
        chain = Chain.from_json(text)
    except ValueError as error:
        log.error(f"a message on {QUEUE} is not ours and is dropped: {error}")
        return
    with _exporter(chain.run) as exporter:
        rest = failed(chain, exporter)
    if rest:
        queue.set(rest.to_json())


@app.function_name("rerun")
@app.route(route="exports/{day?}", methods=["POST"])
@app.queue_output(arg_name="queue", queue_name=QUEUE, connection=STORAGE)
def rerun(req: func.HttpRequest, queue: func.Out[List[str]]) -> func.HttpResponse:  # noqa: UP006 - as above
    """Queue days that a person asks for."""
    now = clock.now()
    try:
        asked = http.read_rerun(req.route_params.get("day"), req.get_body(), now)
    except ValueError as error:
        return _answered(http.bad_request(error))
    settings = _settings()
    with open_store(settings) as store:
        coverage = read_coverage(store, settings.layout, yesterday_of(now))
    queued, answer = http.queue_rerun(asked, coverage, new_run(now), settings.concurrency)
    if queued:
        queue.set([chain.to_json() for chain in queued])
    return _answered(answer)


@app.function_name("coverage")
@app.route(route="exports/{day?}", methods=["GET"])
def coverage(req: func.HttpRequest) -> func.HttpResponse:
    """Show what the store holds."""
    now, settings = clock.now(), _settings(keys_needed=False)
    try:
        day = parse_day(req.route_params["day"]) if req.route_params.get("day") else None
        with open_store(settings) as store:
            if day:
                return _answered(http.answer_day(day, look(store, settings.layout, day)))
            found = read_coverage(store, settings.layout, yesterday_of(now))
        return _answered(http.answer_coverage(found, req.params, settings, now))
    except ValueError as error:
        return _answered(http.bad_request(error))


def _settings(*, keys_needed: bool = True) -> Settings:
    """Read at each call, so that a wrong value is a failure line, not a vanished app."""
    settings = Settings.from_mapping(os.environ, keys_needed=keys_needed)
    if not (settings.storage_url or settings.storage_connection_string):
        raise SettingsError("EXPORT_STORAGE_URL is missing: the app's own disk is no place for dumps")
    return settings


@contextmanager
def _exporter(run: str) -> Iterator[Exporter]:
    with open_exporter(_settings(), clock, run) as exporter:
        yield exporter


def _answered(answer: http.Answer) -> func.HttpResponse:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return func.HttpResponse(answer.text, status_code=answer.status, mimetype="application/json", headers=headers)
