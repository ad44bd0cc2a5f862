from collections.abc import Callable

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerClient

from tests.azure.azurite import Azurite, Sent
from tests.azure.identity import Identity


def list_containers(azurite: Azurite) -> list[str]:
    """The containers' names, asked for by managed identity as the environment says."""
    with (
        DefaultAzureCredential() as credential,
        BlobServiceClient(
            azurite.blob_url, credential, connection_verify=str(azurite.ca_file), retry_total=0
        ) as service,
    ):
        return [container.name for container in service.list_containers()]


def set_env(monkeypatch: pytest.MonkeyPatch, env: dict[str, str]) -> None:
    """Sets all of `env` for one test."""
    for name, value in env.items():
        monkeypatch.setenv(name, value)


def test_traffic_tells_each_block_and_its_bytes(azurite: Azurite, container: ContainerClient) -> None:
    """Every request stands in the traffic with its kind, length and status, refused ones too."""
    azurite.forget_traffic()
    with container.get_blob_client("a b/ü.json") as blob:
        blob.stage_block("AAAA", b"x" * 1000)
        blob.commit_block_list([BlobBlock("AAAA")])
        with pytest.raises(HttpResponseError):
            blob.commit_block_list([BlobBlock("BBBB")])

    path = f"/devstoreaccount1/{container.container_name}/a b/ü.json"
    block, committed, refused = azurite.traffic()
    assert block == Sent("PUT", path, "block", 1000, 201)
    assert (committed.comp, committed.status) == ("blocklist", 201)
    assert (refused.comp, refused.status) == ("blocklist", 400)


def test_forgotten_traffic_is_not_told_again(azurite: Azurite, container: ContainerClient) -> None:
    """After forget_traffic() only later requests are told."""
    container.upload_blob("before", b"1")
    azurite.forget_traffic()
    container.upload_blob("after", b"12")
    assert [(sent.path.rsplit("/", 1)[1], sent.length) for sent in azurite.traffic()] == [("after", 2)]


def test_managed_identity_opens_the_store(
    azurite: Azurite,
    identity: Identity,
    container: ContainerClient,
    azure_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the environment of azure_env a client needs no key; its token was asked for once, for storage."""
    set_env(monkeypatch, azure_env)
    before = len(identity.asked)
    assert container.container_name in list_containers(azurite)
    assert [(a.resource, a.client_id, a.status) for a in identity.asked[before:]] == [
        ("https://storage.azure.com", identity.client_id, 200)
    ]


@pytest.mark.parametrize("fault", [{"audience": "https://vault.azure.net"}, {"lifetime_seconds": -600}])
def test_a_bad_token_is_refused(
    fault: dict[str, int | str],
    azurite: Azurite,
    make_identity: Callable[..., Identity],
    azure_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A token for another service, or an expired one, does not open the store."""
    set_env(monkeypatch, azure_env | make_identity(**fault).env)
    with pytest.raises(HttpResponseError) as refused:
        list_containers(azurite)
    assert refused.value.status_code in {401, 403}


def test_another_client_id_gets_no_token(
    azurite: Azurite,
    make_identity: Callable[..., Identity],
    azure_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An AZURE_CLIENT_ID that the endpoint does not know is refused there."""
    other = make_identity(client_id="another")
    set_env(monkeypatch, azure_env | other.env)
    with pytest.raises(ClientAuthenticationError):
        list_containers(azurite)
    assert {asked.status for asked in other.asked} == {400}


def test_a_failing_endpoint_is_asked_again(
    azurite: Azurite,
    make_identity: Callable[..., Identity],
    azure_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first answers are 500 when told so; the SDK asks again and gets its token."""
    failing = make_identity(fail_first=1)
    set_env(monkeypatch, azure_env | failing.env)
    list_containers(azurite)
    assert [asked.status for asked in failing.asked] == [500, 200]
