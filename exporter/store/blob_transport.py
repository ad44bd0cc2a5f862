"""The wire to Azure: HTTP as the SDK has it, but for what it cannot be told by its options.

One figure for connecting and another for sending a block; `~/.netrc` is not read; no wait that a server asks for is
longer than the exporter's patience.
"""

from dataclasses import dataclass
from typing import Any

from azure.core.pipeline.transport import RequestsTransport
from requests import PreparedRequest, Session
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection

PIECE = 256 << 10
"""Bytes read at a time, the storage SDK's own figure."""


@dataclass(frozen=True, slots=True)
class Waits:
    """How long the other end is waited for, in seconds.

    Attributes:
        connect: For a connection and its TLS.
        write: For one request to be sent. Three blocks of 8 MiB at once on a line of 2 Mbit/s take 100 s each.
        read: For the next byte of an answer.
        again: At most between two tries, whatever the server asks for.
    """

    connect: float = 10
    write: float = 300
    read: float = 60
    again: float = 10


class Transport(RequestsTransport):  # type: ignore[misc]  # the SDK loads this class when it is asked for it
    """The SDK's transport with a session of ours, which it does not close unless it is told to ``own`` it."""

    def __init__(self, waits: Waits, *, own: bool = True) -> None:
        self._again = waits.again
        super().__init__(
            session=_session(waits.write),
            session_owner=own,
            connection_timeout=waits.connect,
            read_timeout=waits.read,
            connection_data_block_size=PIECE,
        )

    def sleep(self, duration: float) -> None:
        """Wait between two tries."""
        super().sleep(min(duration, self._again))


def _session(write_seconds: float) -> Session:
    """A session that takes proxies and REQUESTS_CA_BUNDLE from the environment, but no password from `~/.netrc`."""
    session = Session()
    session.auth = _as_it_is  # requests looks into netrc where it is given no auth, and would replace the SDK's
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter(write_seconds))
    return session


def _as_it_is(request: PreparedRequest) -> PreparedRequest:
    return request


class _Adapter(HTTPAdapter):
    """Connections that may take longer to send a request than to be made."""

    def __init__(self, write_seconds: float) -> None:
        self._pools = _pools(write_seconds)
        super().__init__(max_retries=Retry(total=False, redirect=False, raise_on_status=False))  # the SDK tries again

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _pools(write_seconds: float) -> dict[str, type[HTTPConnectionPool]]:
    """Urllib3 has one figure for connecting and for sending: its ``timeout`` is set in between."""

    class Patient(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            self.timeout = write_seconds
            self.sock.settimeout(write_seconds)

        def request(self, *args: Any, **options: Any) -> None:
            if self.sock is not None:  # else `connect` does it
                self.timeout = write_seconds
            super().request(*args, **options)

    class PatientOverTls(Patient, HTTPSConnection):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Patient

    class PoolOverTls(HTTPSConnectionPool):
        ConnectionCls = PatientOverTls

    return {"http": Pool, "https": PoolOverTls}
