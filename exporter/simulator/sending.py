"""How an answer goes over the wire: whole, in part, slowly, or not at all."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Literal

from exporter.simulator.answers import Answer
from exporter.simulator.faults import Wire

PIECE = 256 * 1024
DRIPS_A_SECOND = 10


@dataclass(frozen=True)
class Plan:
    """What is sent: the Content-Length told (or none), the bytes, in chunks or not, and what comes after."""

    told: int | None
    sent: int
    pieces: bool = False
    end: Literal["keep", "close", "reset"] = "keep"


def planned(wire: Wire | None, length: int) -> Plan:
    """The plan for a body of this length."""
    half = length // 2
    plans = {
        "truncated-zip": Plan(half, half),
        "short-body": Plan(None, half, end="close"),
        "broken-off": Plan(length, half, end="close"),
        "no-length": Plan(None, length, end="close"),
        "chunked": Plan(None, length, pieces=True),
        "broken-chunks": Plan(None, half, pieces=True, end="close"),
        "reset": Plan(length, half, end="reset"),
    }
    return plans.get(wire.kind if wire else "", Plan(length, length))


def send(
    handler: BaseHTTPRequestHandler,
    answer: Answer,
    stopping: threading.Event,
    leave: Callable[[], None],
) -> None:
    """Send the answer as its wire fault says. A wait ends early when the simulator stops.

    Args:
        handler: the connection.
        answer: what to send.
        stopping: set when the simulator stops.
        leave: called before the last piece: who has a whole answer and asks again is not two at once.

    Raises:
        ConnectionError: the client went away.
    """
    wire = answer.wire
    if wire and wire.kind == "closed":
        _hang_up(handler, reset=False)
        return
    if wire and wire.kind == "silence":
        stopping.wait(wire.value)
    plan = planned(wire, answer.length)
    if not plan.sent:
        leave()
    _send_head(handler, answer, plan)
    left = plan.sent
    rate = wire.value if wire and wire.kind == "drip" else None
    for piece in _pieces(answer, plan.sent, rate):
        left -= len(piece)
        if not left:
            leave()
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if plan.pieces else piece)
        if rate:
            stopping.wait(1 / DRIPS_A_SECOND)
    if plan.end != "keep":
        _hang_up(handler, reset=plan.end == "reset")
    elif plan.pieces:
        handler.wfile.write(b"0\r\n\r\n")


def _send_head(handler: BaseHTTPRequestHandler, answer: Answer, plan: Plan) -> None:
    """Send the status line and the headers."""
    handler.send_response(answer.status)
    handler.send_header("Content-Type", answer.content_type)
    for name, value in answer.headers:
        handler.send_header(name, value)
    if plan.pieces:
        handler.send_header("Transfer-Encoding", "chunked")
    elif plan.told is not None:
        handler.send_header("Content-Length", str(plan.told))
    else:
        handler.send_header("Connection", "close")
    handler.end_headers()


def _pieces(answer: Answer, length: int, rate: float | None) -> Iterator[bytes]:
    """The first `length` bytes of the body, in pieces of a tenth of a second's bytes if there is a rate."""
    size = max(1, round(rate / DRIPS_A_SECOND)) if rate else PIECE
    while length and (piece := answer.body.read(min(size, length))):
        length -= len(piece)
        yield piece


def _hang_up(handler: BaseHTTPRequestHandler, *, reset: bool) -> None:
    """End the connection: with a FIN, or a RST, which takes a lingering time of 0 and no FIN before it."""
    handler.close_connection = True
    connection: socket.socket = handler.connection
    if reset:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # http.server would send a FIN first, and the files it made of the socket would keep it open.
        socket.close(connection.detach())
