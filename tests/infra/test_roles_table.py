"""docs/security.md's table of roles, and what would be deployed, say the same."""

import re
from collections.abc import Iterator

from tests.infra import snapshots
from tests.infra.compiler import ROOT
from tests.infra.deployed import Deployment, Role

STORAGE = "Microsoft.Storage/storageAccounts"
# What the table calls it: what it is.
SCOPES = {
    "the container of the dumps": f"{STORAGE}/x/blobServices/containers/amplitude",
    "the container of the ledger": f"{STORAGE}/x/blobServices/containers/amplitude-ledger",
    "the host's account": f"{STORAGE}/h",
    "the queue `export-days`": f"{STORAGE}/h/queueServices/queues/export-days",
    "the queue `export-days-poison`": f"{STORAGE}/h/queueServices/queues/export-days-poison",
    "the secret `AMP-API-KEY`": "Microsoft.KeyVault/vaults/secrets/AMP-API-KEY",
    "the secret `AMP-SECRET-KEY`": "Microsoft.KeyVault/vaults/secrets/AMP-SECRET-KEY",
    "the secret `ERASURE-KEY`": "Microsoft.KeyVault/vaults/secrets/ERASURE-KEY",
    "the Application Insights component": "Microsoft.Insights/components",
    "the group": "the group",
}
PRINCIPALS = {"groups in `READERS`": "Group", "people in `READERS`": "User", "whoever erases people": "User"}
NARROW, LEDGER = Deployment.of(snapshots.stored("dumps-role")).all("Microsoft.Authorization/roleDefinitions")
(ASKING,) = Deployment.of(snapshots.stored("ci")).all("Microsoft.Authorization/roleDefinitions")
ERASER, TELLER = Deployment.of(snapshots.stored("eraser")).all("Microsoft.Authorization/roleDefinitions")
OWN_ROLES = {
    "the narrow role with `DUMPS_ROLE=narrow`": NARROW["name"],
    "the narrow role of the ledger": LEDGER["name"],
    "a role of two actions": ASKING["name"],
    "a role that may purge": ERASER["name"],
    "a role that reads and adds": TELLER["name"],
}


def _told() -> Iterator[Role]:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (.*?) ?\| (.+?) \| (.+?) \| (.+?) \|$", text.partition("## Where the events go")[0], re.MULTILINE
    )
    who = ""
    for named, roles, scope, _ in rows[1:]:
        who = named or who  # an empty cell is the one above
        for name in re.split(r", or ", roles):
            plain = name.removesuffix(", with a condition")
            yield Role(OWN_ROLES.get(plain, plain), PRINCIPALS.get(who, "ServicePrincipal"), SCOPES[scope])


def _assigned() -> set[Role]:
    return {role for name in snapshots.NAMES for role in Deployment.of(snapshots.stored(name)).roles()}


def test_table_of_roles_is_what_would_be_deployed() -> None:
    """Every role that a deployment assigns is in the table, with what it holds for; the table has no other."""
    told = list(_told())
    assert len(told) == len(set(told))
    assert set(told) == _assigned()


def test_role_with_a_condition_is_the_one_that_the_table_names() -> None:
    """The right to assign roles, and no other, carries one."""
    conditional = [
        each["properties"]["roleDefinitionId"].rsplit("/", 1)[1]
        for name in snapshots.NAMES
        for each in Deployment.of(snapshots.stored(name)).all("Microsoft.Authorization/roleAssignments")
        if "condition" in each["properties"]
    ]
    assert conditional == ["f58310d9-a9f6-439a-9e8d-f62e7b41a168"]
    table = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    assert table.count("| Role Based Access Control Administrator, with a condition |") == 1
