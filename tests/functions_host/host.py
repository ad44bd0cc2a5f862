"""A small Functions host: indexes an app in a real worker and plays timer, HTTP front end and queue listener.

Real: gRPC, indexing, binding conversion, invocation (Microsoft's `azure-functions-runtime`), queues and blobs on
Azurite. Imitated: routes, keys, cron, retry policy without its waits, polling, poison. Not here: the extension
bundle, the timer's lease, scaling, time-outs.
"""

import json
import time
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from azure.storage.queue import QueueServiceClient

from tests.functions_host.cron import Schedule
from tests.functions_host.function import Function, HostError, Invocation, Log
from tests.functions_host.http_front import HttpFront
from tests.functions_host.link import Link
from tests.functions_host.queues import Queues, Rules, Taken
from tests.functions_host.rpc import messages

_VERSION = "4.1037.0"


class Host:
    """A running app; a context manager. Several hosts may share queues, as instances of one app do.

    Args:
        app_dir: The app's folder: host.json and function_app.py.
        settings: The app settings: the worker's whole environment, and what `%NAME%` means.
        queue_service: The storage behind `AzureWebJobsStorage`.
        lock_seconds: How long a taken message is invisible to others; the platform's 10 minutes.
        retry_seconds: Stands in for host.json's `visibilityTimeout`, the wait after a failed run.

    Raises:
        HostError: On entering: the app does not index; the text says why.
    """

    def __init__(
        self,
        app_dir: Path,
        settings: Mapping[str, str],
        queue_service: QueueServiceClient,
        *,
        lock_seconds: int = 600,
        retry_seconds: int | None = None,
    ) -> None:
        self.functions: dict[str, Function] = {}
        self.invocations: list[Invocation] = []
        self._app_dir = app_dir
        self._settings = settings
        self._json: dict[str, Any] = json.loads((app_dir / "host.json").read_text())
        if self._json.get("version") != "2.0":
            raise HostError("host.json: version must be '2.0'")
        self.queues = Queues(queue_service, Rules.of(self._json, lock_seconds, retry_seconds))
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            self._link = Link(self._app_dir, self._settings)
            opening.callback(self._link.close)
            self._index()
            prefix = self._json.get("extensions", {}).get("http", {}).get("routePrefix", "api")
            self._http = HttpFront(self.functions, prefix, self.invoke, self.start)
            opening.callback(self._http.close)
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def url(self) -> str:
        """Where its HTTP functions are, without `/api`."""
        return self._http.url

    @property
    def logs(self) -> tuple[Log, ...]:
        """Everything the worker has logged so far, in and outside of invocations."""
        return tuple(self._link.logs)

    def invoke(
        self, function: Function, inputs: Mapping[str, Any], trigger_metadata: Mapping[str, Any] | None = None
    ) -> Invocation:
        """Runs a function, again as its retry policy says but without the waits, and carries out its outputs.

        Raises:
            WorkerGone: The worker ended meanwhile.
        """
        error = None
        for attempt in range(function.max_retries + 1):
            invocation, error = self._attempt(function, inputs, trigger_metadata or {}, attempt, error)
            if invocation.ok:
                self._write_outputs(function, invocation)
                break
        self.invocations.append(invocation)
        return invocation

    def start(self, function: Function, text: str = "") -> Invocation:
        """Runs a timer or queue function by hand, as `/admin/functions/<name>` does."""
        if function.kind == "timerTrigger":
            return self.timer(function.name)
        return self.invoke(function, {function.trigger["name"]: messages.TypedData(string=text)})

    def timer(self, name: str, *, past_due: bool = False, now: datetime | None = None) -> Invocation:
        """Fires a timer function."""
        trigger = self.functions[name].trigger
        now = now or datetime.now(UTC)
        told: dict[str, Any] = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": past_due}
        if trigger.get("useMonitor", True):
            following = Schedule.parse(trigger["schedule"]).next_after(now)
            times = {"Last": now - timedelta(days=1), "LastUpdated": now, "Next": following}
            told["ScheduleStatus"] = {key: moment.isoformat() for key, moment in times.items()}
        return self.invoke(self.functions[name], {trigger["name"]: messages.TypedData(json=json.dumps(told))})

    def queue_step(self, name: str, *, die_before_delete: bool = False) -> list[Taken]:
        """Polls a queue function's queue once: what was taken and what became of it; empty if none is visible.

        Raises:
            WorkerGone: The worker ended meanwhile. The message stays locked, as when an instance dies.
        """
        return self.queues.step(self.functions[name], self.invoke, die_before_delete=die_before_delete)

    def drain(self, seconds: float = 60) -> list[Taken]:
        """Polls every queue function until their queues hold nothing, not even an invisible message.

        Raises:
            TimeoutError: They still hold something; see `lock_seconds` and `retry_seconds`.
        """
        polled = [function for function in self.functions.values() if function.kind == "queueTrigger"]
        end = time.monotonic() + seconds
        taken: list[Taken] = []
        while True:
            now = [one for function in polled for one in self.queue_step(function.name)]
            taken += now
            left = {f.trigger["queueName"]: self.queues.count(f.trigger["queueName"]) for f in polled}
            if not any(left.values()):
                return taken
            if time.monotonic() > end:
                raise TimeoutError(f"after {seconds} s the queues still hold messages: {left}")
            if not now:
                time.sleep(0.05)

    def wait_for_log(self, text: str, seconds: float = 60) -> None:
        """Returns once the worker has logged a message that contains `text`."""
        self._link.wait_for_log(text, seconds)

    def kill_worker(self) -> None:
        """SIGKILL: what runs is lost, and this host is of no more use than to be closed."""
        self._link.kill()

    def _index(self) -> None:
        here = str(self._app_dir)
        capabilities = {"FunctionDataCache": "false"}
        init = messages.WorkerInitRequest(
            host_version=_VERSION, function_app_directory=here, worker_directory=here, capabilities=capabilities
        )
        _check("worker init", self._link.ask(worker_init_request=init).result)
        request = messages.FunctionsMetadataRequest(function_app_directory=here)
        indexed = self._link.ask(functions_metadata_request=request)
        _check("indexing", indexed.result)
        for metadata in indexed.function_metadata_results:
            function = Function.of(metadata, self._settings)
            if function.kind == "timerTrigger":
                Schedule.parse(function.trigger["schedule"])
            load = messages.FunctionLoadRequest(function_id=function.function_id, metadata=metadata)
            _check(function.name, self._link.ask(function_load_request=load).result)
            self.functions[function.name] = function
        if not self.functions:
            raise HostError("No job functions found.")

    def _attempt(
        self,
        function: Function,
        inputs: Mapping[str, Any],
        trigger_metadata: Mapping[str, Any],
        attempt: int,
        error: Any,
    ) -> tuple[Invocation, Any]:
        invocation_id = str(uuid.uuid4())
        trace_parent = f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01"
        most = function.max_retries
        retry = messages.RetryContext(retry_count=attempt, max_retry_count=most, exception=error) if most else None
        request = messages.InvocationRequest(
            invocation_id=invocation_id,
            function_id=function.function_id,
            trigger_metadata=trigger_metadata,
            input_data=[messages.ParameterBinding(name=name, data=value) for name, value in inputs.items()],
            trace_context=messages.RpcTraceContext(trace_parent=trace_parent),
            retry_context=retry,
        )
        answer = self._link.ask(invocation_request=request)
        exception = answer.result.exception
        invocation = Invocation(
            invocation_id=invocation_id,
            ok=answer.result.status == messages.StatusResult.Success,
            error=exception.message,
            stack=exception.stack_trace,
            returned=_value(answer.return_value),
            outputs={output.name: _value(output.data) for output in answer.output_data},
            logs=tuple(log for log in self.logs if log.invocation_id == invocation_id),
            attempts=attempt + 1,
            trace_parent=trace_parent,
        )
        return invocation, exception

    def _write_outputs(self, function: Function, invocation: Invocation) -> None:
        for binding in function.bindings:
            value = invocation.outputs.get(binding["name"])
            if value is None:
                continue
            if binding["type"] != "queue":
                raise HostError(f"this host writes queue outputs only, not {binding['type']}")
            for text in value if isinstance(value, list) else [value]:
                if not isinstance(text, str):
                    raise HostError(f"this host puts strings on queues only, not {text!r}")
                self.queues.send(binding["queueName"], text)


def _check(step: str, result: Any) -> None:
    if result.status != messages.StatusResult.Success:
        raise HostError(f"{step} failed: {result.exception.message}\n{result.exception.stack_trace}")


def _value(told: Any) -> Any:
    """What a TypedData holds; JSON is read."""
    kind = told.WhichOneof("data")
    value: Any = getattr(told, kind) if kind else None
    return json.loads(value) if kind == "json" else value
