"""The host's end of the link to a worker: its process and the gRPC stream."""

import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from tests.functions_host.function import HostError, Log
from tests.functions_host.rpc import METHOD, SERVICE, UNLIMITED, from_wire, messages, to_wire

_ROOT = Path(__file__).parents[2]
# The path to this folder goes before the app is looked for: the app sees its own folder, as when deployed.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); from tests.functions_host.worker import main; \
sys.path.pop(0); main()"
_ANSWER_SECONDS = 120


class WorkerGone(HostError):  # noqa: N818 - a fact to wait for, not a mistake
    """The worker's process ended while an answer was awaited."""


class Link:
    """A worker process and the stream to it.

    Args:
        app_dir: The app's folder: host.json and function_app.py.
        settings: The worker's environment, over PATH and the like; nothing else of ours reaches it, as in Azure.
    """

    def __init__(self, app_dir: Path, settings: Mapping[str, str]) -> None:
        self.logs: list[Log] = []
        self._news = threading.Condition()  # guards logs, _waiting and _ended
        self._waiting: dict[str, Future[Any]] = {}
        self._ended = False
        self._out: queue.Queue[Any] = queue.Queue()
        self._console = tempfile.TemporaryFile("a+")  # noqa: SIM115 - closed in close()
        pool = ThreadPoolExecutor(2, thread_name_prefix="functions-host")
        self._server = grpc.server(pool, options=UNLIMITED)
        stream = grpc.stream_stream_rpc_method_handler(self._stream, from_wire, to_wire)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: stream}),))
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        hello, connected = self._expect()
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START, _ROOT, *_command_line(port, hello)],
            cwd=app_dir,
            env={name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
            | {"FUNCTIONS_WORKER_RUNTIME": "python", "AzureWebJobsScriptRoot": str(app_dir), **settings},
            stdout=self._console,
            stderr=subprocess.STDOUT,
        )
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()
        try:
            connected.result(_ANSWER_SECONDS)
        except BaseException:
            self.close()
            raise

    def ask(self, **content: Any) -> Any:
        """Sends one request and returns the answer's content.

        Raises:
            WorkerGone: The worker ended before its answer, or had ended before.
        """
        request_id, answer = self._expect()
        self._out.put(messages.StreamingMessage(request_id=request_id, **content))
        message = answer.result(_ANSWER_SECONDS)
        return getattr(message, message.WhichOneof("content"))

    def wait_for_log(self, text: str, seconds: float = 60) -> Log:
        """Returns the first log record whose message contains `text`, once it is there.

        Raises:
            TimeoutError: It did not come in time.
        """
        end = time.monotonic() + seconds
        with self._news:
            while True:
                found = next((log for log in self.logs if text in log.message), None)
                if found:
                    return found
                if not self._news.wait(end - time.monotonic()):
                    raise TimeoutError(f"no log record contains {text!r} after {seconds} s")

    def kill(self) -> None:
        """Ends the worker at once, as a crash or the memory limit does; those who wait get WorkerGone."""
        self._process.kill()
        self._watcher.join()

    def close(self) -> None:
        """Ends the worker and the stream; may be called again."""
        self._out.put(messages.StreamingMessage(worker_terminate=messages.WorkerTerminate()))
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._watcher.join()
        self._out.put(None)
        self._server.stop(None).wait()
        self._console.close()

    def _expect(self) -> tuple[str, "Future[Any]"]:
        """A new request id, and the answer that will bear it."""
        request_id = str(uuid.uuid4())
        answer: Future[Any] = Future()
        with self._news:
            if self._ended:
                raise WorkerGone("the worker has ended")
            self._waiting[request_id] = answer
        return request_id, answer

    def _watch(self) -> None:
        code = self._process.wait()
        with self._news:
            self._ended = True
            waiting, self._waiting = self._waiting, {}
        self._console.seek(0)
        said = self._console.read()[-4000:]
        for answer in waiting.values():
            answer.set_exception(WorkerGone(f"the worker ended with {code}: {said}"))

    def _stream(self, requests: Iterator[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()
        yield from iter(self._out.get, None)

    def _read(self, requests: Iterator[Any]) -> None:
        """Takes what the worker says. A record comes before the answer it belongs to, so the order is kept."""
        try:
            for message in requests:
                with self._news:
                    if message.HasField("rpc_log"):
                        self.logs.append(_log(message.rpc_log))
                        self._news.notify_all()
                        continue
                    answer = self._waiting.pop(message.request_id, None)
                if answer:
                    answer.set_result(message)
        except grpc.RpcError:
            return  # the worker is gone; _watch tells those who wait


def _command_line(port: int, request_id: str) -> list[str]:
    """The arguments with which the host starts a worker."""
    told = {"--host": "127.0.0.1", "--port": port, "--workerId": uuid.uuid4(), "--requestId": request_id}
    return [str(part) for pair in told.items() for part in pair]


def _log(record: Any) -> Log:
    level = messages.RpcLog.Level.Name(record.level)
    system = record.log_category == messages.RpcLog.RpcLogCategory.Value("System")
    return Log(level, record.category, record.message, record.invocation_id, system)
