"""A store of many years: what a night costs does not grow with it."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from functools import partial

from azure.storage.blob import ContainerClient

from exporter.days.due import due_days
from exporter.days.facts import Facts
from exporter.store.blob import BlobStore
from tests.azure.azurite import Azurite
from tests.kit import DAY
from tests.kit.rules import LAYOUT, days_on, manifest_of, moment

FEW, MANY = 30, 3_000
SOURCE = manifest_of().source


def put(store: BlobStore, day: date) -> None:
    """A whole day: the dump, then its manifest."""
    etag = store.write(LAYOUT.dump(day), b"[]\n", seen=None, metadata={"sha256": "a" * 64})
    manifest = replace(manifest_of(day), etag=etag)
    facts = Facts.of(manifest).metadata()
    store.write(LAYOUT.manifest(day), manifest.to_json(), seen=None, metadata=facts)


def put_all(store: BlobStore, numbers: Iterable[int]) -> None:
    """So many days before DAY each."""
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(partial(put, store), [DAY - timedelta(days=number) for number in numbers]))


def test_a_night_costs_the_same_with_thousands_of_days(container: ContainerClient, azurite: Azurite) -> None:
    """The coverage, what is due, and what a new day asks of the days beside it: as many requests as with a month."""
    store = BlobStore(container, 12_500_000)
    days, tomorrow = days_on(store), DAY + timedelta(days=1)
    costs = []
    for numbers in (range(FEW), range(FEW, MANY)):
        put_all(store, numbers)
        azurite.forget_traffic()
        coverage = days.coverage(moment(tomorrow, 26))
        assert due_days(coverage, moment(tomorrow, 26), days.timing) == [tomorrow]
        assert len(coverage.rows) == numbers.stop + 1
        near = days.neighbours(days.stored(tomorrow))
        assert near.source == SOURCE
        costs.append(len(azurite.traffic()))
    assert costs[0] == costs[1]


def test_whose_store_it_is_costs_the_same_with_many_days(container: ContainerClient, azurite: Azurite) -> None:
    """A day without a neighbour in four days: eight looks, the oldest name, a page of names of which one is read."""
    store = BlobStore(container, 12_500_000)
    put_all(store, range(100, 130))
    days = days_on(store)
    stored = days.stored(DAY)
    azurite.forget_traffic()
    assert days.neighbours(stored).source == SOURCE
    assert sum(sent.comp == "list" for sent in azurite.traffic()) == 2
    assert len(azurite.traffic()) == 8 + 2 + 1
