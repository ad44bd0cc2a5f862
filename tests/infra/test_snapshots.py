"""What would be deployed, as infra/snapshots/ keeps it: read without the compiler."""

import json
import re
from typing import Any

import pytest

from tests.infra import compiler, snapshots
from tests.infra.deployed import ROLES, Deployment, below_group
from tests.infra.promises import broken

NARROW, LEDGER = Deployment.of(snapshots.stored("dumps-role")).all("Microsoft.Authorization/roleDefinitions")
CONTAINERS = "Microsoft.Storage/storageAccounts/x/blobServices/containers"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/"
OWNER = "Storage Blob Data Owner"


def _deployment(name: str) -> Deployment:
    return Deployment.of(snapshots.stored(name))


@pytest.mark.parametrize("name", snapshots.EXPORTERS)
def test_every_promise_is_kept(name: str) -> None:
    """Keys, public access, TLS, region, roles, settings, locks, alerts, lifecycle: as promised, in each deployment."""
    assert broken(_deployment(name), snapshots.environment(name), (NARROW["name"], LEDGER["name"])) == []


def test_the_deployments_are_those_that_matter() -> None:
    """The default, everything on, the least, another region; the workflows' identities, narrow roles and an eraser."""
    assert set(snapshots.NAMES) == {"default", "everything", "least", "us", "ci", "dumps-role", "eraser"}
    assert sorted(path.stem for path in snapshots.FOLDER.glob("*.json")) == snapshots.NAMES


@pytest.mark.parametrize("name", snapshots.NAMES)
def test_no_key_is_quoted(name: str) -> None:
    """The made-up keys stand nowhere: they travel as secure parameters, and nothing else is made of them."""
    assert "made-up" not in json.dumps(snapshots.stored(name))


def test_tags_are_on_everything_that_takes_them() -> None:
    """The tags of whoever deploys, and azd's; the app has the tag by which azd finds it."""
    taking = [each for each in _deployment("everything").resources if "location" in each]
    assert len(taking) >= 12
    for resource in taking:
        assert {"team": "data", "cost-center": "42", "azd-env-name": "production"}.items() <= resource["tags"].items()
    (site,) = _deployment("everything").all("Microsoft.Web/sites")
    assert site["tags"]["azd-service-name"] == "exporter"


def test_what_was_pasted_untidily_is_put_right() -> None:
    """A capital, a blank, a trailing comma, a slash at an address's end, a region's long name: no harm done."""
    everything, us = _deployment("everything"), _deployment("us")
    readers = {each["properties"]["principalId"] for each in everything.all("Microsoft.Authorization/roleAssignments")}
    assert {"00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"} <= readers
    assert us.settings()["AMP_BASE_URL"] == "https://amplitude.com"
    assert {each["location"] for each in us.resources if "location" in each} == {"eastus2", "global"}


def test_workbooks_of_two_apps_in_one_group_do_not_meet() -> None:
    """A workbook's name contains the app's, like every other name."""
    kinds = [(each["type"], each["name"]) for name in ("default", "us") for each in _deployment(name).resources]
    alike = {kind for kind in kinds if kinds.count(kind) > 1}
    assert {kind for kind, _ in alike} <= {
        "Microsoft.Insights/diagnosticSettings",  # below what they watch
        "Microsoft.Authorization/roleAssignments",  # a name that is an expression contains what it is made of
    }


def test_host_account_is_an_output() -> None:
    """Operations needs it: the queue of days lies there."""
    for name in snapshots.EXPORTERS:
        accounts = {each["name"] for each in _deployment(name).all("Microsoft.Storage/storageAccounts")}
        outputs = _deployment(name).outputs
        assert {outputs["hostAccountName"], outputs["exportAccountName"]} == accounts


def test_commands_for_an_administrator_are_the_roles_of_the_template() -> None:
    """Whoever may not assign roles hands over commands for the very roles, and scopes, that would be assigned."""
    commands = []
    for command in str(_deployment("least").outputs["missingRoles"]).split("format('{0} --role \"")[1:]:
        name, below = re.findall(r"([^\"]+)\" --scope \{\d\}([^']*)'", command)[0]
        arguments = re.findall(r"'([^']*)'", command.partition("principalId)")[2])
        scope = next(argument for argument in arguments if argument.startswith("/subscriptions/"))
        named = below_group(scope + below).replace("/web-ledger", "/amplitude-ledger")
        commands.append((arguments[0] if name == "{1}" else name, named))
    roles = [role for role in _deployment("default").roles() if role.principal == "ServicePrincipal"]
    assert sorted(commands) == sorted((role.name, role.scope) for role in roles)


def test_narrow_role_cannot_delete_the_container() -> None:
    """It reads, writes and deletes blobs, and the only right on the container itself is reading."""
    (rights,) = NARROW["properties"]["permissions"]
    container = "Microsoft.Storage/storageAccounts/blobServices/containers"
    assert rights["actions"] == [f"{container}/read"]
    assert {right.removeprefix(f"{container}/blobs/") for right in rights["dataActions"]} == {
        "add/action",
        "delete",
        "read",
        "write",
    }


def test_narrow_role_of_the_ledger_can_only_read_and_add() -> None:
    """No write, which would change what is there, and no delete."""
    (rights,) = LEDGER["properties"]["permissions"]
    assert rights["actions"] == NARROW["properties"]["permissions"][0]["actions"]
    assert {right.removeprefix(BLOBS) for right in rights["dataActions"]} == {"add/action", "read"}


def test_only_an_eraser_may_purge() -> None:
    """Old versions, and what is soft-deleted: the eraser's own role, on the dumps alone, and no role of the app's."""
    eraser = _deployment("eraser")
    by_name = {each["name"]: each["properties"] for each in eraser.all("Microsoft.Authorization/roleDefinitions")}
    rights = {name: set(each["permissions"][0]["dataActions"]) for name, each in by_name.items()}
    purging = {f"{BLOBS}deleteBlobVersion/action", f"{BLOBS}permanentDelete/action"}
    assert sorted((role.name in rights and purging <= rights[role.name], role.scope) for role in eraser.roles()) == [
        (False, "Microsoft.KeyVault/vaults/secrets/ERASURE-KEY"),
        (False, f"{CONTAINERS}/amplitude-ledger"),
        (True, f"{CONTAINERS}/amplitude"),
    ]
    assert not purging & {
        right for each in (NARROW, LEDGER) for right in each["properties"]["permissions"][0]["dataActions"]
    }
    owners = {role.scope for name in snapshots.EXPORTERS for role in _deployment(name).roles() if role.name == OWNER}
    assert owners == {"Microsoft.Storage/storageAccounts/h"}


# The workflows' identities


def _condition() -> str:
    (condition,) = [
        each["properties"]["condition"]
        for each in _deployment("ci").all("Microsoft.Authorization/roleAssignments")
        if "condition" in each["properties"]
    ]
    assert isinstance(condition, str)
    return condition


def test_deploying_identity_may_assign_the_templates_roles_and_no_other() -> None:
    """The condition names each role that a deployment assigns to the app, the narrow one included."""
    app: set[str] = {NARROW["name"], LEDGER["name"]}
    for name in snapshots.EXPORTERS:
        for each in _deployment(name).all("Microsoft.Authorization/roleAssignments"):
            if each["properties"]["principalType"] == "ServicePrincipal":
                app.add(each["properties"]["roleDefinitionId"].rsplit("/", 1)[1])
    for named in re.findall(
        r"RoleDefinitionId\] ForAnyOfAnyValues:GuidEquals \{([^}]+)\} AND \S+PrincipalId", _condition()
    ):
        assert set(named.split(", ")) == app
    assert _condition().count("PrincipalId] ForAnyOfAnyValues:GuidEquals {00000000-0000-0000-0000-00000000000c}") == 2


def test_deploying_identity_cannot_make_itself_a_reader() -> None:
    """Reading dumps may be given to people and groups only; the identity is neither. Removing is bound likewise."""
    reader = next(identifier for identifier, name in ROLES.items() if name == "Storage Blob Data Reader")
    for of in ("Request", "Resource"):
        assert (
            f"(@{of}[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals "
            f"{{{reader}}} AND @{of}[Microsoft.Authorization/roleAssignments:PrincipalType] "
            "ForAnyOfAnyValues:StringEqualsIgnoreCase {'User', 'Group'})"
        ) in _condition()
    assert _condition().count(reader) == 2


def test_what_if_identity_changes_nothing() -> None:
    """It has Reader, and a role that may ask what a deployment would change; no right to write anything."""
    ci = _deployment("ci")
    (asking,) = ci.all("Microsoft.Authorization/roleDefinitions")
    names = {role.name for role in ci.roles()}
    assert names == {"Contributor", "Role Based Access Control Administrator", "Reader", asking["name"]}
    (rights,) = asking["properties"]["permissions"]
    assert rights["actions"] == [
        "Microsoft.Resources/deployments/validate/action",
        "Microsoft.Resources/deployments/whatIf/action",
    ]
    given = [each["properties"] for each in ci.all("Microsoft.Authorization/roleAssignments")]
    whatif = {each["roleDefinitionId"].rsplit("/", 1)[1] for each in given if "what-if" in each["principalId"]}
    assert {ROLES.get(identifier, identifier) for identifier in whatif} == {"Reader", asking["name"]}


def test_each_identity_has_its_own_subject() -> None:
    """The environment that pull requests reach gets the identity that can only read."""
    subjects: dict[str, Any] = {
        name.split("/")[0]: properties["subject"]
        for name, properties in _deployment("ci").properties(
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials"
        )
    }
    assert subjects["id-exporter-deploy"].endswith(":environment:production")
    assert subjects["id-exporter-what-if"].endswith(":environment:what-if")


# The linter


def test_every_rule_of_the_linter_is_an_error() -> None:
    """None is off, and none is a warning, with which the compiler ends well."""
    text = (compiler.INFRA / "bicepconfig.json").read_text(encoding="utf-8")
    rules = json.loads(re.sub(r"(?m)^ *//.*$", "", text))["analyzers"]["core"]["rules"]
    assert {rule["level"] for rule in rules.values()} == {"error"}
    every = sorted(compiler.ROOT.parent.glob("*/*/bicep/every-rule.json"))
    if every:
        known = json.loads(every[0].read_text(encoding="utf-8"))["analyzers"]["core"]["rules"]
        assert set(known) <= set(rules)
    assert len(rules) >= 42


def test_finding_that_is_accepted_has_its_reason_above_it() -> None:
    """Where a rule is switched off for one line, the lines above say why."""
    accepted = 0
    for template in compiler.INFRA.rglob("*.bicep"):
        lines = [line.strip() for line in template.read_text(encoding="utf-8").splitlines()]
        for number, line in enumerate(lines):
            if line.startswith("#disable-next-line"):
                accepted += 1
                assert any(above.startswith("// ") for above in lines[max(0, number - 3) : number]), (template, number)
    assert accepted
