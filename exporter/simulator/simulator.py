"""The simulator: a stateful Amplitude Export API on loopback, for the demo and as every test's remote."""

import base64
import contextlib
import logging
import random
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from http import HTTPStatus
from itertools import chain
from typing import Self
from urllib.parse import parse_qs, urlsplit

from exporter.simulator.answers import NO_DATA, ZIP, Answer, page, refused, scripted_answer
from exporter.simulator.archive import write_archive
from exporter.simulator.contents import Content, Missing, OddLine, Resized
from exporter.simulator.deletions import DELETIONS_PATH, Deletion, Deletions, OnDeletions
from exporter.simulator.events import Events
from exporter.simulator.faults import Fault, Spoilt, Wire, meant_for
from exporter.simulator.hours import MOST_HOURS, between, parsed
from exporter.simulator.server import Server
from exporter.simulator.source import Clock, Source
from exporter.simulator.spoil import in_archives, spoilt

log = logging.getLogger(__name__)

EXPORT_PATH = "/api/2/export"
SPOOLED = 4 * 2**20
"""An archive up to this size stays in memory, a larger one goes to a temp file."""


@dataclass(frozen=True)
class Request:
    """A request that came in: its window as written, the answer's status, the fault that was played, if any.

    `status` is 0 if no answer was given. `length` counts the body's bytes before anything was cut from it.
    """

    first: str
    last: str
    status: int
    path: str
    fault: Fault | None
    length: int


class Simulator:
    """An Amplitude Export API at `url` while its context is open.

    Args:
        events_per_hour: on average; the daily curve makes nights quiet and evenings busy.
        seed: the same seed gives the same events, archives and oddities.
        project: the project's id.
        faults: what goes wrong, in order; see `faults`.
        contents: what hours hold; see `contents`.
        clock: tells the (aware) time, to hold back hours that are not loaded yet; None: everything is there.
        lag_hours: how long after its end an hour can be exported.
        port: 0 takes a free one.
        oddities: whether archives have the legal oddities of real ones.
    """

    api_key = "simulated-api-key"
    secret_key = "simulated-secret-key"  # noqa: S105 - opens nothing but this simulator

    def __init__(  # noqa: PLR0913 - each is one thing a test wants to choose, by name
        self,
        *,
        events_per_hour: int = 50,
        seed: int = 1,
        project: int = 100011471,
        faults: Iterable[Fault] = (),
        contents: Iterable[Content] = (),
        clock: Clock | None = None,
        lag_hours: float = 2,
        port: int = 0,
        oddities: bool = True,
    ) -> None:
        self.requests: list[Request] = []
        self.most_at_once = 0
        self.url = ""
        self._seed, self._port, self._oddities = seed, port, oddities
        self._source = Source(
            Events(seed, project, events_per_hour), contents, clock, timedelta(hours=lag_hours), oddities
        )
        self._faults = list(faults)
        self._deletions = Deletions()
        self._under_way = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        self._server = Server(self._port, self._answered)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def add(self, scripted: Fault | Content | Deletion | OnDeletions) -> None:
        """Script one more fault, change of contents, or somebody who is deleted, behind those already there."""
        if isinstance(scripted, Deletion | OnDeletions):
            self._deletions.add(scripted)
        elif isinstance(scripted, OddLine | Resized | Missing):
            self._source.add(scripted)
        else:
            with self._lock:
                self._faults.append(scripted)

    def lines(self, day: date) -> list[bytes]:
        """Every line the next archive of the day would hold, in (hour, part, line) order.

        Without line ends and blank lines; lines that are no events included.
        """
        return self._source.lines(day)

    @contextlib.contextmanager
    def _answered(self, target: str, authorization: str | None) -> Iterator[Answer]:
        """Answer a request; it counts as under way until the last piece of its answer."""
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
        try:
            url = urlsplit(target)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            first, last = (query.get(name, query.get(f"{name}_day", "")) for name in ("start", "end"))
            answer, fault = self._answer(url.path, query, authorization)
            status = 0 if answer.wire and answer.wire.kind == "closed" else answer.status
            request = Request(first, last, int(status), url.path, fault, answer.length)
            # Noted before the first byte is sent: who has an answer finds its request in the list.
            with self._lock:
                self.requests.append(request)
            log.info(f"request: first={first} last={last} status={status} bytes={answer.length} {fault=}")
            with answer.body:
                yield answer
        finally:
            with self._lock:
                self._under_way -= 1

    def _answer(
        self,
        path: str,
        query: Mapping[str, str],
        authorization: str | None,
    ) -> tuple[Answer, Fault | None]:
        """Decide on an answer: path, credentials, window, script and contents, in this order."""
        if path not in (EXPORT_PATH, DELETIONS_PATH):
            return page(HTTPStatus.NOT_FOUND), None
        if not authorization:
            return refused(HTTPStatus.UNAUTHORIZED, "Missing or malformed credentials"), None
        keys = f"{self.api_key}:{self.secret_key}"
        if authorization != f"Basic {base64.b64encode(keys.encode()).decode()}":
            return refused(HTTPStatus.FORBIDDEN, "Invalid API Key"), None
        if path == DELETIONS_PATH:
            return self._deletions.answer(query, time.time())
        try:
            window = _window(query.get("start", ""), query.get("end", ""))
        except ValueError as error:
            return refused(HTTPStatus.BAD_REQUEST, str(error)), None
        fault = self._take(window)
        said = scripted_answer(fault, time.time()) if fault else None
        return said or self._archive(window, fault), fault

    def _take(self, window: list[datetime]) -> Fault | None:
        """The first fault meant for the window, used up by one."""
        with self._lock:
            for place, fault in enumerate(self._faults):
                if fault.when.times != 0 and meant_for(fault, window):
                    if fault.when.times is not None:
                        when = replace(fault.when, times=fault.when.times - 1)
                        self._faults[place] = replace(fault, when=when)
                    return fault
        return None

    def _archive(self, window: list[datetime], fault: Fault | None) -> Answer:
        """The window's archive, or that there is none."""
        wire = fault if isinstance(fault, Wire) else None
        members = self._source.members(window)
        first = next(members, None)
        if first is None:
            return replace(refused(HTTPStatus.NOT_FOUND, NO_DATA), wire=wire)
        members = chain((first,), members)
        if isinstance(fault, Spoilt):
            members = spoilt(fault, members)
        rng = random.Random(f"{self._seed}/{window[0]}/{window[-1]}") if self._oddities else None
        body = tempfile.SpooledTemporaryFile(SPOOLED)  # noqa: SIM115 - closed when the answer is sent
        for part in in_archives(fault, members):
            write_archive(body, part, rng)
        length = body.tell()
        body.seek(0)
        return Answer(HTTPStatus.OK, ZIP, body, length, wire=wire)


def _window(first: str, last: str) -> list[datetime]:
    """The hours a request asks for.

    Raises:
        ValueError: with the words for the answer.
    """
    start, end = parsed(first), parsed(last)
    if end < start:
        raise ValueError(f"The end {last} is before the start {first}.")
    hours = between(start, end)
    if len(hours) > MOST_HOURS:
        raise ValueError("The time range may not exceed 365 days.")
    return hours
