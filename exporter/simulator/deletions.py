"""The simulated list of deletions (User Privacy API v1): who is deleted, when, and what goes wrong with asking."""

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from http import HTTPStatus

from exporter.simulator.answers import JSON, Answer, answered, refused, scripted_answer
from exporter.simulator.faults import Fault, Wire

DELETIONS_PATH = "/api/2/deletions/users"
MOST_DAYS = 184
"""Six months."""


@dataclass(frozen=True)
class Deletion:
    """Somebody in the job of `day`; `status` is the job's."""

    amplitude_id: int
    day: date
    status: str = "done"
    requested_on: date = date(2025, 11, 1)
    requester: str = "privacy@example.com"


@dataclass(frozen=True)
class OnDeletions:
    """A fault of the next request for the list; its `when` does not matter."""

    fault: Fault


class Deletions:
    """The list. Safe to ask from several threads."""

    def __init__(self) -> None:
        self._listed: list[Deletion] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, scripted: Deletion | OnDeletions) -> None:
        """Put somebody on it, or script a fault behind those already there."""
        with self._lock:
            if isinstance(scripted, Deletion):
                self._listed.append(scripted)
            else:
                self._faults.append(scripted.fault)

    def answer(self, query: Mapping[str, str], now: float) -> tuple[Answer, Fault | None]:
        """The jobs from `start_day` to `end_day`, or what the next fault makes of them."""
        with self._lock:
            fault, listed = self._faults.pop(0) if self._faults else None, tuple(self._listed)
        said = scripted_answer(fault, now) if fault else None
        if said:
            return said, fault
        try:
            first, last = (date.fromisoformat(query.get(name, "")) for name in ("start_day", "end_day"))
        except ValueError:
            return refused(HTTPStatus.BAD_REQUEST, "start_day and end_day are required, YYYY-MM-DD"), fault
        if not first <= last or (last - first).days >= MOST_DAYS:
            return refused(HTTPStatus.BAD_REQUEST, "The largest permitted time range is six months."), fault
        answer = answered(HTTPStatus.OK, JSON, _jobs([one for one in listed if first <= one.day <= last]))
        return (replace(answer, wire=fault) if isinstance(fault, Wire) else answer), fault


def _jobs(listed: list[Deletion]) -> bytes:
    """One job for each day and status, as Amplitude spells them."""
    jobs = [
        {
            "amplitude_ids": [
                {
                    "amplitude_id": one.amplitude_id,
                    "requested_on_day": str(one.requested_on),
                    "requester": one.requester,
                }
                for one in listed
                if (one.day, one.status) == (day, status)
            ],
            "day": str(day),
            "status": status,
        }
        for day, status in sorted({(one.day, one.status) for one in listed})
    ]
    return json.dumps(jobs).encode()
