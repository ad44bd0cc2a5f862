"""The upload alone: `python -m tests.bench.upload FILE` stages a ready dump as blocks and commits them.

With the SDK, by managed identity, and with the exporter's block size and number of blocks at a time.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobBlock, BlobClient

from exporter.store.blob_draft import BLOCK, IN_FLIGHT


def main(path: str) -> None:
    """Upload the file under its own name into the container that the environment names."""
    url, container = os.environ["EXPORT_STORAGE_URL"], os.environ["EXPORT_CONTAINER"]
    with (
        DefaultAzureCredential() as identity,
        BlobClient(url, container, Path(path).name, credential=identity) as blob,
        Path(path).open("rb") as file,
        ThreadPoolExecutor(IN_FLIGHT) as threads,
    ):

        def stage(place: int) -> BlobBlock:
            content = os.pread(file.fileno(), BLOCK, place)
            block_id = f"{place // BLOCK:05}"
            blob.stage_block(block_id, content, length=len(content))
            return BlobBlock(block_id)

        blob.commit_block_list(list(threads.map(stage, range(0, Path(path).stat().st_size, BLOCK))))


if __name__ == "__main__":
    main(*sys.argv[1:])
