#!/usr/bin/env bash
# Asks the deployed exporter for one day and waits until it is there: the check after a first deployment, a new key
# or a new version. Needs bash and curl, and a function key; no Azure login.
#
#   FUNCTION_KEY=... infra/smoke.sh https://<app>.azurewebsites.net [YYYY-MM-DD]
#
# The day is yesterday (UTC) unless given. FUNCTION_KEY is a host key, which opens both functions; with keys of single
# functions set RERUN_KEY and COVERAGE_KEY instead. DUMPS_URL (output dumpsUrl) completes the dump's address. With
# WORKSPACE (output logWorkspace) and an Azure login it also says when the timer has run for the first time.
# SMOKE_PATIENCE: seconds for which 401, 404, 502 and 503 are taken for a new app's first minutes (300).
# SMOKE_LIMIT: seconds to wait at most (1800). SMOKE_EVERY: seconds between two looks (10). SMOKE_QUIET: seconds without
# a failure after which a day that was there before counts as unchanged (600): an export that finds the same leaves no trace.
# The last line is a verdict in words. Exit status: 0 the day is there, 1 it is not and the lines above the verdict say why,
# 2 wrong usage, 3 the day was there before and nothing about it has changed: only the log can tell whether this run was well.
set -euo pipefail

usage() { sed -nE '5,16s/^# ?//p' "$0" >&2; exit 2; }
say() { printf '%s\n' "$*"; }
fail() {
  printf 'NOT OK: %s\n' "$1" >&2
  printf '  %s\n' "${@:2}" >&2
  printf 'VERDICT: this deployment does not work, or not yet. Nothing is lost: do what the lines above say, and call this again.\n' >&2
  exit 1
}

app=${1:-}
app=${app%/}
[[ $app =~ ^https://[^/]+$ || $app =~ ^http://(127\.0\.0\.1|localhost):[0-9]+$ ]] || usage
day=${2:-$(date -u -d yesterday +%F 2>/dev/null || date -u -v-1d +%F)}
[[ $day =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || usage
rerun_key=${RERUN_KEY:-${FUNCTION_KEY:-}}
coverage_key=${COVERAGE_KEY:-${FUNCTION_KEY:-}}
[[ $rerun_key && $coverage_key ]] || usage

answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# ask METHOD KEY: sets $status, and $body without line ends. The key goes in by standard input: arguments can be seen
# by every user of the machine. The first answer of a sleeping app can take a minute.
ask() {
  : >"$answer"
  status=$(printf 'header = "x-functions-key: %s"\n' "$2" | curl --config - --silent --show-error --max-time 180 \
    --header 'Accept: application/json' --request "$1" --output "$answer" --write-out '%{http_code}' \
    "$app/api/exports/$day" || true)
  body=$(tr -d '\r\n' <"$answer")
}

# patiently METHOD KEY: asks again while the answer is one of an app that was made minutes ago. Its address is not known
# everywhere yet (000), its keys are not (401), its functions are still being loaded (404, told apart from the app's own
# 404, which has words), its instance starts (502, 503).
patiently() {
  local until=$((SECONDS + ${SMOKE_PATIENCE:-300})) told=
  while true; do
    ask "$@"
    case $status in
      000 | 401 | 502 | 503) ;;
      404) [[ $body != *'"error"'* ]] || return 0 ;;
      *) return 0 ;;
    esac
    ((SECONDS < until)) || return 0
    [[ $told == "$status" ]] || say "Status $status so far, as in the first minutes of an app. Waiting ..."
    told=$status
    sleep "${SMOKE_EVERY:-10}"
  done
}

# text NAME, number NAME: the first value of that name in $body. Enough for the two answers read here.
text() { grep -oE "\"$1\": *\"([^\"\\\\]|\\\\.)*\"" <<<"$body" | sed -nE '1s/^"[^"]*": *"(.*)"$/\1/p' || true; }
number() { grep -oE "\"$1\": *[0-9]+" <<<"$body" | sed -nE '1s/.*[^0-9]([0-9]+)$/\1/p' || true; }

# explain KEY-NAME: says what an unwanted status means, and ends.
explain() {
  case $status in
    000) fail "$app does not answer." "Is the address right? Is the app running? Portal: the function app, Overview." ;;
    401) fail "The function key is not accepted ($1)." \
      "List the keys: az functionapp keys list --resource-group GROUP --name APP" ;;
    403) fail "The app refuses this machine." "The app is stopped, or its access restrictions shut you out." ;;
    404) fail "The app does not know /api/exports/$day: no functions are deployed, or they did not load." \
      "Portal: the function app, Functions: is the list empty? Deploy again (a 403 of that step is a role that has" \
      "not taken effect: repeat it). Still none: the workspace's table FunctionAppLogs says why." ;;
    400) fail "The app refuses the day $day." "$body" ;;
    409) fail "The app is busy with what others asked for, and has not queued $day." "$body" \
      "That is no fault of this deployment. Look at the coverage page, and call this again when it is done;" \
      "or end it: POST $app/api/exports/stop, with the key of the function stop." ;;
    5*) fail "The app answers with status $status." "$body" \
      "The settings or the storage roles are wrong, or the roles have not taken effect yet: they take up to ten minutes." \
      "The workspace's tables AppTraces and FunctionAppLogs name what is wrong (the log stream is unreliable here);" \
      "Portal: the function app, Environment variables: are both Key Vault references resolved?" ;;
    *) fail "The app answers with status $status." "$body" ;;
  esac
}

patiently GET "$coverage_key"
[[ $status == 200 || ($status == 404 && $body == *'"error"'*) ]] || explain "COVERAGE_KEY or FUNCTION_KEY"
before=$body
whole_before=$([[ $status == 200 && $(text dump) && ! $(text reason) ]] && echo yes || true)

patiently POST "$rerun_key"
[[ $status == 202 ]] || explain "RERUN_KEY or FUNCTION_KEY"
run=$(text run)
[[ $run ]] || fail "The app queued the day, but its answer names no run." "$body"
say "$day is queued (run $run). Waiting for it, ${SMOKE_LIMIT:-1800} seconds at most ..."

while true; do
  patiently GET "$coverage_key"
  [[ $status == 200 || ($status == 404 && $body == *'"error"'*) ]] || explain "COVERAGE_KEY or FUNCTION_KEY"
  reason=$(text reason)
  # A failure of an earlier night stands there until this run has done something about it.
  if [[ $status == 200 && $body != "$before" && $reason ]]; then
    fail "$day failed: $reason" \
      "A passing fault is tried again by itself, up to 5 times, 15 minutes apart: call this again later." \
      "Otherwise see docs/operations.md, \"A day failed\"."
  fi
  if [[ $status == 200 && ! $reason && ! $body =~ \"whole\":\ *false && $body =~ \"run\":\ *\"$run\" ]]; then
    break
  fi
  if [[ $whole_before && $body == "$before" ]] && ((SECONDS >= ${SMOKE_QUIET:-600})); then
    say "CANNOT TELL: $day was there before, and neither the day nor a failure has changed in $SECONDS seconds."
    say "  The log has the answer, a line that begins: day exported: day=$day"
    say "  docs/operations.md, \"Look at the log\", tells how to read it."
    say "VERDICT: the app answers and queues. Whether this export was well, only the log can tell."
    exit 3
  fi
  if ((SECONDS >= ${SMOKE_LIMIT:-1800})); then
    fail "$day is not there after $SECONDS seconds, and no failure is recorded." \
      "The queue function does not run, or is still at work: a big day takes up to 50 minutes." \
      "Portal: the function app, Functions, export_day, Invocations. Host storage: queues export-days, export-days-poison."
  fi
  sleep "${SMOKE_EVERY:-10}"
done

dump=$(text dump)
say "OK: $day is there, $(text state), $(number events) events."
say "  dump: ${DUMPS_URL:+${DUMPS_URL%/}/}$dump"
if [[ $body =~ \"ledger\":\ *\{\ *\"number\":\ *([0-9]+),\ *\"sha256\":\ *\"([0-9a-f]{64})\" ]]; then
  say "  ledger: ${BASH_REMATCH[1]}:${BASH_REMATCH[2]}, a line to keep: docs/operations.md, \"Keep the head of the ledger\"."
fi
if [[ $body =~ \"fewer_found\":\ *\{[^}]*\"run\":\ *\"$run\" ]]; then
  say "  Amplitude has fewer events now than are stored; the stored day was kept."
fi
rejected=$(number rejected)
if [[ ${rejected:-0} != 0 ]]; then
  say "  $rejected lines were rejected: see docs/operations.md, \"Lines were rejected\"."
fi
if [[ ${WORKSPACE:-} ]]; then
  if first=$(az monitor log-analytics query --workspace "$WORKSPACE" --output tsv --query '[0].First' --analytics-query \
    'AppRequests | where Name == "nightly" | summarize First = min(TimeGenerated) | where isnotnull(First)'); then
    say "  the timer: ${first:+ran for the first time at }${first:-has not run yet, or its line has not arrived}"
  else
    say "  the timer: the log cannot be asked; the lines above say why"
  fi
fi
say "VERDICT: this deployment works: the app answers, its roles and keys are right, and a day came from Amplitude to the store."
