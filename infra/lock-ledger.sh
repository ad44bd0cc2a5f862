#!/usr/bin/env bash
# Locks the ledger's retention policy: from then on nobody can delete or change a line before its time, whoever they are.
# THIS CANNOT BE UNDONE: a locked policy can be extended five times, and never be shortened or taken off.
#
#   infra/lock-ledger.sh GROUP
#
# Needs bash and the Azure CLI, signed in, with Contributor on the group. It asks before it locks; LOCK=CONTAINER, the name
# of the ledger's container, answers for a person who is not there. Exit status: 0 locked, 1 not, 2 wrong usage.
set -euo pipefail

group=${1:-}
[[ $group && $# == 1 ]] || { sed -nE '2,8s/^# ?//p' "$0" >&2; exit 2; }
fail() { printf 'NOT LOCKED: %s\n' "$@" >&2; exit 1; }
command -v az >/dev/null || fail "The Azure CLI (az) is not installed."

read -r account container < <(az deployment group show --resource-group "$group" --name main --output tsv \
  --query 'properties.outputs.[exportAccountName.value, ledgerContainer.value]' | tr '\n' ' ') || true
[[ ${account:-} && ${container:-} ]] || fail "$group has no deployment named main that has a ledger."
policy() { az storage container immutability-policy "$@" --resource-group "$group" --account-name "$account" --container-name "$container"; }
shown() { policy show --output tsv --query '[state, immutabilityPeriodSinceCreationInDays, allowProtectedAppendWrites, etag]' | tr '\n' ' '; }

read -r state days appends etag < <(shown) || true
[[ ${etag:-} ]] || fail "$container has no policy: deploy the templates first."
if [[ $state == Locked ]]; then
  printf '%s is locked already, for %s days. Every later deployment needs LEDGER_LOCKED=true.\n' "$container" "$days"
  exit 0
fi
# A policy that forbids appending would stop the export for good, once it is locked.
[[ $appends == [Tt]rue ]] || fail "The policy of $container does not allow appending: deploy the templates first."
cat <<END
$account/$container: a line of the ledger cannot be deleted or changed for $days days after the last line of its year.
Locked, this can be extended five times, and never be shortened or taken off, not by Microsoft either. The account cannot
be deleted before, nor can its resource group; what is in the ledger costs next to nothing meanwhile.
END
answer=${LOCK:-}
[[ $answer ]] || read -rp "Type the container's name to lock it: " answer || true
[[ $answer == "$container" ]] || fail "That is not $container. Nothing was changed."
policy lock --if-match "$etag" --output none
read -r state days _ < <(shown) || true
[[ $state == Locked ]] || fail "Azure says that the policy is ${state:-gone}."
printf 'LOCKED for %s days. At this and every later deployment: export LEDGER_LOCKED=true\n' "$days"
