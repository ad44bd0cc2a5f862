"""A snapshot as what it stands for: the resources that would be deployed."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ROLES = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "b24988ac-6180-42a0-ab88-20f7382dd24c": "Contributor",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
    "acdd72a7-3385-48ef-bd42-f606fba81ae7": "Reader",
}
NARROW, LEDGER = "Amplitude dumps writer", "Amplitude ledger appender"


@dataclass(frozen=True, order=True)
class Role:
    """A role assignment: the role's name, the kind of principal, and what it holds for, from the account down."""

    name: str
    principal: str
    scope: str


@dataclass(frozen=True)
class Deployment:
    """What one snapshot would deploy."""

    resources: list[Mapping[str, Any]]
    outputs: Mapping[str, Any]

    @classmethod
    def of(cls, snapshot: Mapping[str, Any]) -> "Deployment":
        """Read a snapshot."""
        return cls(snapshot["predictedResources"], snapshot["outputs"])

    def all(self, kind: str) -> list[Mapping[str, Any]]:
        """Every resource of this type."""
        return [resource for resource in self.resources if resource["type"] == kind]

    def properties(self, kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Name and properties of every resource of this type."""
        return ((resource["name"], resource["properties"]) for resource in self.all(kind))

    def settings(self) -> dict[str, str]:
        """The app's settings."""
        (settings,) = self.all("Microsoft.Web/sites/config")
        return dict(settings["properties"])

    def roles(self) -> list[Role]:
        """Every role assignment, in order."""
        return sorted(map(role, self.all("Microsoft.Authorization/roleAssignments")))


def role(assignment: Mapping[str, Any]) -> Role:
    """What a role assignment gives, to which kind of principal, and on what."""
    properties = assignment["properties"]
    identifier = properties["roleDefinitionId"].rsplit("/", 1)[1]
    return Role(ROLES.get(identifier, identifier), properties["principalType"], below_group(_scope(assignment["id"])))


def _scope(identifier: str) -> str:
    """What a role assignment's id says it holds for; the id is an expression where the principal is not known yet."""
    if group := re.match(r"\[resourceId\('([^']+)', '([^']+)', 'Microsoft.Authorization", identifier):
        return f"/subscriptions/{group[1]}/resourceGroups/{group[2]}"
    if extended := re.match(r"\[extensionResourceId\('([^']+)'", identifier):
        return extended[1]
    return identifier.rpartition("/providers/Microsoft.Authorization/")[0]


def below_group(scope: str) -> str:
    """An id without subscription and group, and without the parts of names that differ between deployments."""
    below = re.sub(r"^/subscriptions/[^/]+/resourceGroups/[^/]+(/providers/)?", "", scope)
    below = re.sub(r"/storageAccounts/\w+?([hx])[a-z0-9]{13}\b", r"/storageAccounts/\1", below)
    below = re.sub(r"/(vaults|components)/[\w-]+", r"/\1", below)
    return below.replace("/default", "") or "the group"
