"""A day on its way into a blob: written to part files, staged as blocks, committed in one step.

A block's id is its hour, its number within the hour, and a prefix of its SHA-256, always of the same length. So a
block that is staged or committed already is not sent again, and two exporters cannot put different bytes under one
id. Azure keeps staged blocks for 7 days; nobody can read them before a commit.
"""

import contextlib
import hashlib
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import PurePosixPath
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import AzureError
from azure.storage.blob import BlobBlock, BlobClient, ContentSettings

from exporter.report import Progress, Step
from exporter.store import ANY
from exporter.store.blob_errors import headers_of, if_there

BLOCK = 8 << 20
"""Bytes of a block; the last one of an hour is shorter."""
IN_FLIGHT = 3
"""Blocks that are staged at a time, each held in memory meanwhile."""
DIGEST_LETTERS = 32

_TYPES = {".html": "text/html; charset=utf-8", ".parquet": "application/vnd.apache.parquet"}
"""Content types by what a name ends with; everything else is JSON."""


def content_settings(name: str) -> ContentSettings:
    """What a browser or a tool is told that the blob is."""
    return ContentSettings(content_type=_TYPES.get(PurePosixPath(name).suffix, "application/json"))


class BlobDraft:
    """See Draft. Part files take at most ``parts_limit`` bytes (at least one block) of the temp folder."""

    def __init__(
        self,
        blob: BlobClient,
        seen: str | None,
        parts_limit: int,
        progress: Progress,
        explained: Callable[[], AbstractContextManager[None]],
        *,
        afresh: bool = False,
    ) -> None:
        self._blob = blob
        self._seen = seen
        self._progress = progress
        self._explained = explained
        self._capacity = max(BLOCK, parts_limit // IN_FLIGHT)
        self._free = threading.Semaphore(max(1, parts_limit // self._capacity))
        self._stored = set() if afresh else self._stored_ids()
        self._threads = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="stage")
        self._blocks: list[Future[str]] = []
        self._part: _Part | None = None
        self._hour, self._number, self._size = -1, 0, 0

    def write(self, hour: int, text: bytes | memoryview) -> None:
        """See Draft."""
        if hour != self._hour:
            self._cut()
            self._hour, self._number = hour, 0
        rest = memoryview(text)
        while rest:
            if self._part is None:
                self._free.acquire()
                self._part = _Part(self._free)
            piece = rest[: BLOCK - self._size]
            self._part.write(piece)
            self._size += len(piece)
            rest = rest[len(piece) :]
            if self._size == BLOCK:
                self._cut()

    def mark(self) -> int:
        """See Draft."""
        self._cut()
        return len(self._blocks)

    def back(self, mark: int) -> None:
        """See Draft."""
        for block in self._blocks[mark:]:
            block.cancel()
        del self._blocks[mark:]
        self._retire()
        self._hour, self._number, self._size = -1, 0, 0

    def commit(self, metadata: Mapping[str, str]) -> str:
        """See Draft."""
        self._cut()
        self._retire()
        ids = [block.result() for block in self._blocks]
        condition: dict[str, Any] = {"match_condition": MatchConditions.IfMissing}
        if self._seen == ANY:
            condition = {}
        elif self._seen is not None:
            condition = {"match_condition": MatchConditions.IfNotModified, "etag": self._seen}
        self._progress(Step.COMMITTING, len(ids), None)
        with self._explained():
            try:
                done = self._blob.commit_block_list(
                    [BlobBlock(block_id) for block_id in ids],
                    content_settings=content_settings(str(self._blob.blob_name)),
                    metadata=headers_of(metadata),
                    **condition,
                )
                etag = str(done["etag"])
            except AzureError as error:
                etag = self._committed_after_all(ids, error)
        self._progress(Step.COMMITTED, len(ids), None)
        return etag

    def discard(self) -> None:
        """See Draft."""
        self._threads.shutdown(cancel_futures=True)
        self._retire()

    def _committed_after_all(self, ids: list[str], error: AzureError) -> str:
        """The ETag if the commit did happen and only its answer was lost, so that the SDK's retry met its own work."""
        lists = if_there(lambda: self._blob.get_block_list("committed"))
        there = if_there(self._blob.get_blob_properties)
        if lists and there and [str(block.id) for block in lists[0]] == ids and str(there.etag) != self._seen:
            return str(there.etag)
        raise error

    def _stored_ids(self) -> set[str]:
        with self._explained():
            committed, staged = if_there(lambda: self._blob.get_block_list("all")) or ([], [])
        return {str(block.id) for block in (*committed, *staged)}

    def _cut(self) -> None:
        """End the block that is being written and have it staged."""
        for block in self._blocks:
            if block.done() and not block.cancelled():
                block.result()  # raises what went wrong in its thread
        if not self._size or self._part is None:
            return
        part, place, size = self._part, self._part.end_block(self._size), self._size
        block = self._threads.submit(self._stage, part, place, size, f"{self._hour:02}-{self._number:05}")
        block.add_done_callback(lambda _: part.staged())
        self._blocks.append(block)
        self._number, self._size = self._number + 1, 0
        if part.size + BLOCK > self._capacity:
            self._retire()

    def _retire(self) -> None:
        """Write no more to the part file; it goes when its last block is staged."""
        if self._part is not None:
            self._part.retire()
            self._part = None

    def _stage(self, part: "_Part", place: int, size: int, name: str) -> str:
        content = part.read(place, size)
        block_id = f"{name}-{hashlib.sha256(content).hexdigest()[:DIGEST_LETTERS]}"
        if block_id not in self._stored:
            self._progress(Step.STAGING, size, None)
            with self._explained():
                self._blob.stage_block(block_id, content, length=size)
            self._stored.add(block_id)
            self._progress(Step.STAGED, size, None)
        return block_id


class _Part:
    """A temp file without a name that holds blocks until they are staged; another may be begun then."""

    def __init__(self, free: threading.Semaphore) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the last block is staged
        self.size = 0
        self._free = free
        self._waiting = 1  # the writer counts as one
        self._lock = threading.Lock()

    def write(self, text: memoryview) -> None:
        """Append."""
        with self._lock:
            self._file.write(text)
            self.size += len(text)

    def end_block(self, size: int) -> int:
        """Make the last ``size`` bytes a block; return where it begins."""
        with self._lock:
            self._waiting += 1
        return self.size - size

    def read(self, place: int, size: int) -> bytes:
        """A block's bytes; safe beside the writer."""
        with self._lock:
            self._file.seek(place)
            content = self._file.read(size)
            self._file.seek(self.size)
        if len(content) != size:
            raise OSError(f"a part file gave {len(content)} of {size} bytes")
        return content

    def staged(self) -> None:
        """One block, or the writer, needs the file no longer."""
        with self._lock:
            self._waiting -= 1
            last = self._waiting == 0
        if last:
            with contextlib.suppress(OSError):  # a full disk has refused what was held back; nobody needs it now
                self._file.close()
            self._free.release()

    def retire(self) -> None:
        """The writer is done with it."""
        self.staged()
