"""A toy app with each trigger and output the exporter uses: it tells whether the host in the tests is right."""

import json
import logging
import os
import threading
from pathlib import Path
from typing import List  # noqa: UP035 - Microsoft's loader refuses func.Out[list[str]]

import azure.functions as func
from azure.identity import DefaultAzureCredential
from azure.storage.blob import ContainerClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
log = logging.getLogger("toy")


@app.function_name("nightly")
@app.timer_trigger(schedule="%TOY_SCHEDULE%", arg_name="timer", run_on_startup=False, use_monitor=True)
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:05")
def nightly(timer: func.TimerRequest, context: func.Context) -> None:
    """Uploads a blob by managed identity; fails the first TOY_FAILURES attempts."""
    if timer.past_due:
        log.warning("the timer is past due")
    if context.retry_context.retry_count < int(os.environ.get("TOY_FAILURES", "0")):
        raise RuntimeError("not yet")
    with (
        DefaultAzureCredential() as credential,
        ContainerClient(os.environ["TOY_BLOB_URL"], os.environ["TOY_CONTAINER"], credential) as store,
    ):
        store.upload_blob("nightly", b"done", overwrite=True)
    log.info("uploaded in %s", context.trace_context.trace_parent)


@app.function_name("greet")
@app.route(route="greetings/{name?}", methods=["GET"])
def greet(req: func.HttpRequest) -> func.HttpResponse:
    """Answers with what it was asked."""
    name = req.route_params.get("name", "nobody")
    if name == "mallory":
        raise ValueError("not you")
    body = json.dumps({"name": name, "loud": req.params.get("loud")})
    return func.HttpResponse(body, mimetype="application/json", headers={"X-Toy": "1"})


@app.function_name("fan_out")
@app.route(route="greetings", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="toy-work", connection="AzureWebJobsStorage")
def fan_out(req: func.HttpRequest, out: func.Out[List[str]]) -> func.HttpResponse:  # noqa: UP006 - see above
    """Puts one message on the queue for each item of the body's list."""
    items = [json.dumps(item) for item in req.get_json()]
    out.set(items)
    return func.HttpResponse(json.dumps({"queued": len(items)}), status_code=202, mimetype="application/json")


@app.function_name("work")
@app.queue_trigger(arg_name="msg", queue_name="toy-work", connection="AzureWebJobsStorage")
@app.queue_output(arg_name="out", queue_name="toy-results", connection="AzureWebJobsStorage")
def work(msg: func.QueueMessage, out: func.Out[str]) -> None:
    """Does as its message says: `fail`, or wait until the file `until` exists; then sends `say` on."""
    told = msg.get_json()
    out.set(told["say"])
    log.info("began %s, time %s", told["say"], msg.dequeue_count)
    if told.get("fail"):
        raise ValueError(told["say"])
    while "until" in told and not Path(told["until"]).exists():
        threading.Event().wait(0.02)


@app.function_name("work_failed")
@app.queue_trigger(arg_name="msg", queue_name="toy-work-poison", connection="AzureWebJobsStorage")
async def work_failed(msg: func.QueueMessage) -> None:
    """Logs what was given up; fails for `worse`."""
    say = msg.get_json()["say"]
    log.error("gave up %s", say)
    if say == "worse":
        raise ValueError(say)
