"""What the simulator's tests use to ask it and to read its archives: plain requests, zipfile and gzip."""

import gzip
import io
import zipfile
from datetime import date

import requests

from exporter.simulator import Simulator

DAY = date(2025, 11, 6)


def ask(simulator: Simulator, first: str = "20251106T00", last: str = "20251106T23") -> requests.Response:
    """Ask for a window with the right keys; redirects are not followed."""
    return requests.get(
        f"{simulator.url}/api/2/export",
        params={"start": first, "end": last},
        auth=(simulator.api_key, simulator.secret_key),
        allow_redirects=False,
        timeout=30,
    )


def infos(content: bytes) -> list[zipfile.ZipInfo]:
    """The archive's entries in their order, folders left out."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [info for info in archive.infolist() if not info.is_dir()]


def bodies(content: bytes) -> dict[str, bytes]:
    """Each member's text by its name, in the archive's order."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {info.filename: gzip.decompress(archive.read(info)) for info in infos(content)}


def lines(content: bytes) -> list[bytes]:
    """Every line of the archive, without line ends and blank lines."""
    found = (line.removesuffix(b"\r") for body in bodies(content).values() for line in body.split(b"\n"))
    return [line for line in found if line]
