"""Simulated events: the same seed and hour always give the same lines.

An event belongs to the hour of its `server_upload_time`, as at Amplitude; some happened long before.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from exporter.simulator.people import actions, templates

LATE_SHARE = 0.07
"""Events that were uploaded an hour to some days after they happened."""
PLAIN_TIME_SHARE = 0.05
"""Events whose times have no fraction of a second."""
NO_SESSION_SHARE = 0.1
"""Events outside any session: their `session_id` is -1."""
WITH_FRACTION, WITHOUT_FRACTION = len("2025-11-06 05:04:03.000000"), len("2025-11-06 05:04:03")


@dataclass(frozen=True)
class Events:
    """A project's events: on average `per_hour`, few at night and many in the evening."""

    seed: int
    project: int
    per_hour: int

    @cached_property
    def _templates(self) -> tuple[str, ...]:
        return templates(self.seed, self.project)

    @cached_property
    def _actions(self) -> tuple[tuple[str, str], ...]:
        return actions()

    def count(self, hour: datetime) -> int:
        """How many events were uploaded in the hour: a daily curve with its top at 16:00 UTC."""
        curve = 1 - 0.7 * math.cos((hour.hour - 4) / 24 * math.tau)
        noise = 0.9 + 0.2 * random.Random(f"{self.seed}/count/{hour:%Y%m%dT%H}").random()
        return round(self.per_hour * curve * noise)

    def lines(self, hour: datetime, count: int) -> Iterator[bytes]:
        """The hour's first `count` events as lines without ends. A larger count begins with the same ones."""
        rng = random.Random(f"{self.seed}/{hour:%Y%m%dT%H}")
        people, deeds = self._templates, self._actions
        for number in range(count):
            event_type, event_properties = deeds[int(rng.random() * len(deeds))]
            values = _moments(rng, hour) | {
                "$insert_id": f"{rng.getrandbits(64):016x}-{number}",
                "event_id": number + 1,
                "event_properties": event_properties,
                "event_type": event_type,
                "uuid": _uuid(rng),
            }
            yield (people[int(rng.random() * len(people))] % values).encode()


def _moments(rng: random.Random, hour: datetime) -> dict[str, object]:
    """The times of one event, in the order in which they happened; uploaded within the hour."""
    chance = rng.random()
    uploaded = hour + timedelta(seconds=rng.random() * 3599)
    received = uploaded - timedelta(milliseconds=chance * 900)
    sent = received - timedelta(milliseconds=1 + chance * 2000)
    late = rng.random() < LATE_SHARE
    waited = timedelta(hours=1 + rng.expovariate(1 / 20)) if late else timedelta(seconds=chance * 30)
    happened = sent - waited
    length = WITHOUT_FRACTION if chance < PLAIN_TIME_SHARE else WITH_FRACTION
    upload_text = uploaded.isoformat(" ", "microseconds")[:length]
    return {
        "event_time": happened.isoformat(" ", "microseconds")[:length],
        "client_upload_time": sent.isoformat(" ", "microseconds")[:length],
        "server_received_time": received.isoformat(" ", "microseconds")[:length],
        "server_upload_time": upload_text,
        "processed_time": upload_text,
        "session_id": -1 if chance > 1 - NO_SESSION_SHARE else int(happened.timestamp() * 1000),
    }


def _uuid(rng: random.Random) -> str:
    """The key of a row; written by hand because `uuid.UUID` would be a tenth of an event's cost."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
