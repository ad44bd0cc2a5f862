"""The worker: stands where Microsoft's proxy worker stands, in a child of the tests.

Takes the host's command line, opens the gRPC stream and hands every request to `azure_functions_runtime`.
Indexing, binding conversion, invocation and errors are Microsoft's.
"""

import argparse
import asyncio
import contextlib
import importlib
import logging
import os
import queue
import sys
import threading
from contextvars import ContextVar
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc

from tests.functions_host.rpc import METHOD, SERVICE, UNLIMITED, from_wire, messages, to_wire

_LEVELS = ((50, "Critical"), (40, "Error"), (30, "Warning"), (20, "Information"), (10, "Debug"), (0, "Trace"))


class _LogToHost(logging.Handler):
    """Sends every log record to the host, with the invocation it belongs to."""

    def __init__(self, out: "queue.Queue[Any]", invocations: list[ContextVar[str | None]]) -> None:
        super().__init__()
        self._out = out
        self._invocations = invocations

    def emit(self, record: logging.LogRecord) -> None:
        level = next(name for number, name in _LEVELS if record.levelno >= number)
        system = record.name.split(".")[0] == "azure_functions_runtime" or record.name.startswith("azure.functions")
        log = messages.RpcLog(
            invocation_id=next(filter(None, (known.get() for known in self._invocations)), ""),
            category=record.name,
            message=self.format(record),
            level=messages.RpcLog.Level.Value(level),
            log_category=messages.RpcLog.RpcLogCategory.Value("System" if system else "User"),
        )
        self._out.put(messages.StreamingMessage(rpc_log=log))


class _Worker:
    """Answers the host's requests until it says terminate or hangs up."""

    def __init__(self, address: str) -> None:
        # By name: the package has no types, and does not exist for Python 3.12.
        self._runtime: Any = importlib.import_module("azure_functions_runtime")
        self._address = address
        self._out: queue.Queue[Any] = queue.Queue()
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._invocation: ContextVar[str | None] = ContextVar("invocation", default=None)

    async def run(self, worker_id: str, request_id: str) -> None:
        """Serves one stream from start to end."""
        with grpc.insecure_channel(self._address, UNLIMITED) as channel:
            grpc.channel_ready_future(channel).result(timeout=30)
            start = messages.StartStream(worker_id=worker_id)
            self._out.put(messages.StreamingMessage(request_id=request_id, start_stream=start))
            call = channel.stream_stream(f"/{SERVICE}/{METHOD}", to_wire, from_wire)
            stream = call(iter(self._out.get, None))
            invocations = [self._runtime.invocation_id_cv, self._invocation]
            logging.getLogger().addHandler(_LogToHost(self._out, invocations))
            logging.getLogger().setLevel(logging.INFO)
            loop = asyncio.get_running_loop()
            threading.Thread(target=self._read, args=(stream, loop), daemon=True).start()
            await self._stopped.wait()
            self._out.put(None)
            self._runtime.stop_threadpool_executor()

    def _read(self, stream: Any, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(grpc.RpcError):  # the host hung up
            for message in stream:
                loop.call_soon_threadsafe(self._begin, message)
        loop.call_soon_threadsafe(self._stopped.set)

    def _begin(self, message: Any) -> None:
        task = asyncio.create_task(self._answer(message))
        self._tasks.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Any) -> None:
        runtime = self._runtime
        kind = message.WhichOneof("content")
        properties = {"protos": messages, "host": self._address.split(":")[0]}
        request = SimpleNamespace(name=kind, request=message, properties=properties)
        answer: dict[str, Any] = {}
        match kind:
            case "worker_init_request":
                runtime.start_threadpool_executor()
                answer["worker_init_response"] = await runtime.worker_init_request(request)
            case "functions_metadata_request":
                answer["function_metadata_response"] = await runtime.functions_metadata_request(request)
            case "function_load_request":
                answer["function_load_response"] = await runtime.function_load_request(request)
            case "invocation_request":
                self._invocation.set(message.invocation_request.invocation_id)
                answer["invocation_response"] = await runtime.invocation_request(request)
            case "worker_terminate":
                self._stopped.set()
                return
        self._out.put(messages.StreamingMessage(request_id=message.request_id, **answer))


def main() -> None:
    """Runs a worker as the host's command line says."""
    parser = argparse.ArgumentParser()
    for option in ("--host", "--port", "--workerId", "--requestId"):
        parser.add_argument(option, required=True)
    told, _ = parser.parse_known_args()
    root = Path(os.environ["AzureWebJobsScriptRoot"])  # noqa: SIM112 - spelled so by the host
    sys.path[:0] = [str(root / ".python_packages/lib/site-packages"), str(root)]
    worker_address = f"{told.host}:{told.port}"

    async def serve() -> None:
        await _Worker(worker_address).run(told.workerId, told.requestId)

    asyncio.run(serve())
    os._exit(0)  # a function's stray thread must not keep the worker alive
