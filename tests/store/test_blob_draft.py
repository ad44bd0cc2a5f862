import random
import resource
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ServiceResponseError
from azure.core.pipeline.transport import HttpRequest, HttpResponse, RequestsTransport
from azure.storage.blob import BlobBlock, BlobClient, ContainerClient

from exporter.errors import StoreError
from exporter.report import Progress, no_progress
from exporter.store.blob import BlobStore
from exporter.store.blob_draft import BLOCK, IN_FLIGHT, BlobDraft, _Part
from tests.azure.azurite import Azurite
from tests.kit.blobs import DUMP, sent_bytes, staged_in
from tests.store.contract import METADATA, text_of

PARTS_LIMIT = 12_500_000
"""An eighth of the smallest EXPORT_TMP_LIMIT_MB."""
HOUR = random.Random(1).randbytes(3 * BLOCK + 100)
"""Three whole blocks and a short one."""


class LostAnswer(RequestsTransport):  # type: ignore[misc]  # the SDK loads this class when it is asked for it
    """A wire that loses the first answer to each kind of request that is named; the request arrives."""

    def __init__(self, *lost: str, **options: Any) -> None:
        super().__init__(**options)
        self._lost = set(lost)

    def send(self, request: HttpRequest, **options: Any) -> HttpResponse:
        """Send it, and perhaps lose the answer."""
        answer: HttpResponse = super().send(request, **options)
        for kind in [kind for kind in self._lost if request.method == "PUT" and kind in request.url]:
            self._lost.remove(kind)
            raise ServiceResponseError("the connection was closed")
        return answer


def store_in(container: ContainerClient, progress: Progress = no_progress) -> BlobStore:
    """A store on the test's container."""
    return BlobStore(container, PARTS_LIMIT, progress, 15)


def committed_in(blob: BlobClient) -> list[str]:
    """The ids of the blob's blocks, in order."""
    return [str(block.id) for block in blob.get_block_list("committed")[0]]


def write_long(draft: BlobDraft, piece: int) -> None:
    """Write 500 MB, so many bytes at a time."""
    for _ in range(500_000_000 // piece):
        draft.write(0, HOUR[:piece])


@contextmanager
def losing(azurite: Azurite, container: ContainerClient, *lost: str) -> Iterator[BlobStore]:
    """A store behind a wire that loses answers."""
    with ContainerClient.from_connection_string(
        azurite.connection_string,
        str(container.container_name),
        transport=LostAnswer(*lost, connection_verify=str(azurite.ca_file)),
        initial_backoff=0,
        increment_base=0,
        random_jitter_range=0,
        retry_to_secondary=False,
    ) as client:
        yield BlobStore(client, PARTS_LIMIT)


@pytest.fixture
def blob(container: ContainerClient) -> Iterator[BlobClient]:
    """The dump's blob, to look at from outside."""
    with container.get_blob_client(DUMP) as client:
        yield client


def test_blocks_are_named_by_hour_number_and_content(container: ContainerClient, blob: BlobClient) -> None:
    """Ids tell the hour, the number in it and the content's SHA-256; all have one length, none depends on windows."""
    ids = set()
    for marks in ((), (3, 17), range(24)):
        store = store_in(container)
        draft = store.draft(DUMP, None)
        for hour, text in ((3, HOUR), (17, b"a short hour"), (24, b"\n]\n")):
            if hour in marks:
                draft.mark()
            for start in range(0, len(text), 1_000_003):
                draft.write(hour, text[start : start + 1_000_003])
        draft.commit(METADATA)
        draft.discard()
        ids.add(tuple(committed_in(blob)))
        blob.delete_blob()
    (only,) = ids
    assert [name.rsplit("-", 1)[0] for name in only] == [*(f"03-0000{n}" for n in range(4)), "17-00000", "24-00000"]
    assert {len(name) for name in only} == {len("03-00000-") + 32}
    assert len(set(only)) == len(only)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("report.html", "text/html; charset=utf-8"),
        ("parquet/upload_date=2025-11-06/events.parquet", "application/vnd.apache.parquet"),
        ("manifests/20251106_0000.json", "application/json"),
    ],
)
def test_what_a_blob_is_is_told_by_its_name(container: ContainerClient, name: str, kind: str) -> None:
    """Written at once or by a draft: a browser shows the page, and does not save it as JSON."""
    store = store_in(container)
    etag = store.write(name, b"x", seen=None, metadata={})
    assert container.get_blob_client(name).get_blob_properties().content_settings.content_type == kind
    draft = store.draft(name, etag)
    draft.write(0, b"y")
    draft.commit({})
    draft.discard()
    assert container.get_blob_client(name).get_blob_properties().content_settings.content_type == kind


def test_type_and_metadata_are_given_at_every_commit(container: ContainerClient, blob: BlobClient) -> None:
    """A commit that replaces a dump sets its content type and its metadata anew."""
    store, etag = store_in(container), None
    for run in ("run-1", "run-2"):
        draft = store.draft(DUMP, etag)
        draft.write(0, run.encode())
        etag = draft.commit({"run": run})
        draft.discard()
        found = blob.get_blob_properties()
        assert found.content_settings.content_type == "application/json"
        assert (found.metadata, found.etag) == ({"run": run}, etag)


def test_what_is_staged_or_committed_is_not_sent_again(
    container: ContainerClient, blob: BlobClient, azurite: Azurite
) -> None:
    """A block goes over the wire once: in the same draft, in the next one, and after the commit."""
    store = store_in(container)
    azurite.forget_traffic()
    draft = store.draft(DUMP, None)
    mark = draft.mark()
    draft.write(3, HOUR)
    draft.mark()
    draft.back(mark)
    draft.discard()  # its blocks are there, or were never begun
    first = sent_bytes(azurite)
    assert first == sum(min(BLOCK, len(HOUR) - int(name[3:8]) * BLOCK) for name in staged_in(blob))
    draft = store.draft(DUMP, None)
    draft.write(3, HOUR)
    draft.mark()
    draft.discard()
    draft = store.draft(DUMP, None)
    draft.write(3, HOUR)
    etag = draft.commit(METADATA)
    draft.discard()
    assert sent_bytes(azurite) == len(HOUR)
    again = store.draft(DUMP, etag)
    again.write(3, HOUR)
    again.mark()
    again.discard()
    assert sent_bytes(azurite) == len(HOUR)
    assert staged_in(blob) == []


def test_a_changed_hour_sends_its_changed_blocks(
    container: ContainerClient, blob: BlobClient, azurite: Azurite
) -> None:
    """Of a day that has changed, only the blocks that differ are sent."""
    store = store_in(container)
    draft = store.draft(DUMP, None)
    draft.write(3, HOUR)
    draft.write(4, HOUR)
    etag = draft.commit(METADATA)
    draft.discard()
    azurite.forget_traffic()
    draft = store.draft(DUMP, etag)
    draft.write(3, HOUR)
    draft.write(4, HOUR[:-1] + b"x")
    draft.write(5, b"an hour that was late")
    draft.commit(METADATA)
    draft.discard()
    assert sent_bytes(azurite) == 100 + len(b"an hour that was late")
    assert text_of(store, DUMP) == HOUR + HOUR[:-1] + b"x" + b"an hour that was late"
    assert staged_in(blob) == []


def test_part_files_are_bounded(container: ContainerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However fast the writer is, part files take no more than their limit, and at most three blocks are in flight."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    sizes, in_flight, most = [], 0, 0
    lock = threading.Lock()

    def watch(step: str, _done: int, _total: int | None) -> None:
        nonlocal in_flight, most
        with lock:
            in_flight += {"staging": 1, "staged": -1}.get(step, 0)
            most = max(most, in_flight)
            sizes.append(open_bytes(tmp_path))

    draft = store_in(container, watch).draft(DUMP, None)
    for hour in range(3):
        for start in range(0, len(HOUR), 100_000):
            draft.write(hour, HOUR[start : start + 100_000])
    draft.commit(METADATA)
    draft.discard()
    assert 0 < max(sizes) <= PARTS_LIMIT
    assert 1 <= most <= IN_FLIGHT
    assert open_bytes(tmp_path) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_part_file_is_read_while_it_is_written() -> None:
    """A block that is staged while the next one is written disturbs neither."""
    part = _Part(threading.Semaphore())
    part.write(memoryview(b"first"))
    first = part.end_block(5)
    part.write(memoryview(b"sec"))
    assert part.read(first, 5) == b"first"
    part.write(memoryview(b"ond"))
    second = part.end_block(6)
    assert part.read(second, 6) == b"second"
    assert part.read(first, 5) == b"first"
    with pytest.raises(OSError, match="gave 6 of 7 bytes"):
        part.read(second, 7)
    for _ in range(3):
        part.staged()


def open_bytes(folder: Path) -> int:
    """The bytes of this process's open files in ``folder``, those without a name too."""
    found = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            place, there = descriptor.readlink(), descriptor.stat()
        except OSError:  # closed meanwhile
            continue
        found += there.st_size if place.is_relative_to(folder) else 0
    return found


def test_a_commit_whose_answer_is_lost_has_happened(
    azurite: Azurite, container: ContainerClient, blob: BlobClient
) -> None:
    """The retry of a commit that had arrived is refused, for its condition no longer holds: that is no lost race."""
    with losing(azurite, container, "comp=blocklist") as store:
        etag = None
        for text in (b"a new day", b"another day"):
            draft = store.draft(DUMP, etag)
            draft.write(0, text)
            etag = draft.commit(METADATA)
            draft.discard()
            assert text_of(store, DUMP) == text
            assert blob.get_blob_properties().etag == etag


def test_blocks_of_another_program_are_named(container: ContainerClient, blob: BlobClient) -> None:
    """Unfinished blocks of another length under a dump's name: the error says what they are and how to drop them."""
    blob.stage_block("short", b"x")
    draft = store_in(container).draft(DUMP, None)
    draft.write(0, b"x")
    with pytest.raises(StoreError, match="another program left unfinished blocks"):
        draft.commit(METADATA)
    draft.discard()


def test_an_error_while_staging_stops_the_writer(container: ContainerClient, blob: BlobClient) -> None:
    """A writer learns of a failed block while it writes, not at the end of a long day, and does not hang."""
    blob.stage_block("short", b"x")
    draft = store_in(container).draft(DUMP, None)
    with pytest.raises(StoreError):
        write_long(draft, 1_000_000)
    draft.discard()


def test_a_full_disk_leaves_nothing(
    container: ContainerClient, blob: BlobClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A part file that cannot grow is the writer's error; discarding afterwards works, and nothing is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    draft = store_in(container).draft(DUMP, None)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            write_long(draft, 1000)
        draft.discard()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert open_bytes(tmp_path) == 0
    assert staged_in(blob) == []


def test_foreign_ids_do_not_disturb(container: ContainerClient, blob: BlobClient) -> None:
    """A dump that another program wrote in blocks can be replaced: its ids are only never ours."""
    blob.stage_block("one", b"foreign")
    etag = blob.commit_block_list([BlobBlock("one")])["etag"]
    store = store_in(container)
    draft = store.draft(DUMP, str(etag))
    draft.write(0, b"ours")
    draft.commit(METADATA)
    draft.discard()
    assert text_of(store, DUMP) == b"ours"
