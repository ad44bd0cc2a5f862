// Seven alerts on the lines that the exporter logs, and one mail a week that is none: the ledger's newest line. Each costs about half a dollar a month at these frequencies.
// A rule sees 48 hours at most (Azure Monitor's bound), and windows come from a closed list: times are exact inside the queries.

@description('Region.')
param location string

@description('Name of the app that is watched.')
param name string

@description('Tags.')
param tags { *: string }

@description('The workspace that is asked.')
param workspaceId string

@description('E-mail addresses that alerts go to.')
param alertEmails string[]

@description('How many times off from the days before is too far.')
param volumeFactor int

@description('Whether there is work behind the exports: tables, a report, reading days back.')
param upkeep bool

@description('Whether a mail brings the ledger\'s newest line every Monday.')
param ledgerMails bool

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'alerts-${name}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'ampexport'
    emailReceivers: [
      for (address, i) in alertEmails: {
        name: 'person ${i}'
        emailAddress: address
        useCommonAlertSchema: true
      }
    ]
  }
}

// The queue tries a passing fault again every 15 minutes: two failures are not yet news, the third is.
resource dayFailed 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'day-failed-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: a day failed'
    description: 'A day failed for good, or for the third time, and was not exported since. The search result names the day and the reason. docs/operations.md: "A day failed".'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'P1D'
    // The query is checked before deployment; a workspace minutes old may not know its tables yet.
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            let Exported = AppTraces
                | where Message startswith "day exported: day="
                | extend Day = extract("day=([0-9-]{10})", 1, Message)
                | summarize LastExport = max(TimeGenerated) by Day;
            AppTraces
            | where Message startswith "day failed: day="
            | parse Message with "day failed: day=" Day " kind=" Kind " reason=" Reason
            | where Kind != "held"
            | join kind=leftouter Exported on Day
            | where isnull(LastExport) or TimeGenerated > LastExport
            | summarize Failures = dcount(bin(TimeGenerated, 1m)), ForGood = countif(Kind in ("permanent", "refused", "crashed") or Reason has "gave up after every attempt"), arg_max(TimeGenerated, Kind, Reason) by Day
            | where ForGood > 0 or Failures >= 3
          '''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

// Also when nothing is logged at all: a summary without "by" has a row even then.
resource yesterdayMissing 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'yesterday-missing-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: yesterday is not there'
    description: 'It is past 06:00 UTC and no export of yesterday has ended well today. docs/operations.md: "Yesterday is not there".'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'P1D'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            AppTraces
            | where TimeGenerated >= startofday(now())
            | where Message startswith "day exported: day="
            | summarize Exports = countif(extract("day=([0-9-]{10})", 1, Message) == format_datetime(now() - 1d, "yyyy-MM-dd"))
            | where Exports == 0 and now() >= startofday(now()) + 6h
            | extend Day = format_datetime(now() - 1d, "yyyy-MM-dd")
          '''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

// A run may count as missing what it is about to export: only a hole that two runs saw, half a day apart, is one.
resource daysMissing 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'days-missing-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: days are missing'
    description: 'The store has a hole that two runs did not close. FirstMissing is its oldest day. docs/operations.md: "Days are missing".'
    severity: 2
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    overrideQueryTimeRange: 'P2D'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            let Exported = AppTraces
                | where Message startswith "day exported: day="
                | project FirstMissing = extract("day=([0-9-]{10})", 1, Message);
            AppTraces
            | where Message startswith "run queued: run=" or Message startswith "run summary: newest="
            | extend Missing = toint(extract(" missing=([0-9]+)", 1, Message)), FirstMissing = extract(" first_missing=([0-9-]{10})", 1, Message)
            | where Missing > 0
            | summarize FirstSeen = min(TimeGenerated), LastSeen = max(TimeGenerated), Missing = max(Missing) by FirstMissing
            | where LastSeen - FirstSeen >= 12h
            | join kind=leftanti Exported on FirstMissing
          '''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

resource linesRejected 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'lines-rejected-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: lines were rejected'
    description: 'Lines of a day were no events. The day is exported without them; Kept is where they are. docs/operations.md: "Lines were rejected".'
    severity: 3
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            AppTraces
            | where Message startswith "lines rejected: day="
            | parse Message with "lines rejected: day=" Day " count=" Count:long " kept=" Kept
            | summarize arg_max(TimeGenerated, Count, Kept) by Day
          '''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

// Compares with the two or three days before, all that a rule can see. A site with quiet weekends wants a larger factor.
resource volume 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'volume-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: far more or fewer events than usual'
    description: 'Yesterday has many times more, or fewer, events than the days before. docs/operations.md: "The volume is unusual".'
    severity: 3
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    overrideQueryTimeRange: 'P2D'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            let Yesterday = startofday(now()) - 1d;
            AppTraces
            | where Message startswith "day exported: day="
            | extend Day = todatetime(extract("day=([0-9-]{10})", 1, Message)), Events = tolong(extract(" events=([0-9]+)", 1, Message))
            | where Day between (Yesterday - 3d .. Yesterday)
            | summarize arg_max(TimeGenerated, Events) by Day
            | summarize Newest = sumif(Events, Day == Yesterday), Seen = countif(Day == Yesterday), Usual = avgif(Events, Day < Yesterday)
            | where Seen > 0 and Usual >= 1000
            | extend TimesOff = iff(Newest == 0, 1000.0, max_of(Newest / Usual, Usual / Newest)), TimeGenerated = now() - 5m
          '''
          metricMeasureColumn: 'TimesOff'
          timeAggregation: 'Maximum'
          operator: 'GreaterThan'
          threshold: volumeFactor
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

// Also when the day was exported again since: whoever wants to know that a day was changed wants to know it then, too.
resource dayDamaged 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = {
  name: 'day-damaged-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: a stored day, or the ledger, is damaged'
    description: 'A stored day, its record or the ledger was changed by something else than the exporter, or is broken. Day is empty for the ledger. docs/operations.md: "A day is damaged".'
    severity: 1
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            AppTraces
            | where Message startswith "day damaged: day=" or Message startswith "ledger broken: reason="
            | extend Day = extract("day=([0-9-]{10})", 1, Message), Reason = extract(" reason=(.+)", 1, Message)
            | summarize Found = count(), LastSeen = max(TimeGenerated) by Day, Reason
          '''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

resource upkeepFailed 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (upkeep) {
  name: 'upkeep-failed-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: a table, the report or reading back failed'
    description: 'The days are exported. A table is not there, the report is of the night before, or final days could not be read back; Day is empty for the latter two. docs/operations.md: "A table failed".'
    severity: 3
    enabled: true
    autoMitigate: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: 'P1D'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            AppTraces
            | where Message startswith "table failed: day=" or Message startswith "report failed: reason=" or Message startswith "scrub failed: reason="
            | extend What = extract("^([a-z]+) failed", 1, Message), Day = extract("day=([0-9-]{10})", 1, Message), Reason = extract(" reason=(.+)", 1, Message)
            | summarize Failures = count(), arg_max(TimeGenerated, Reason) by What, Day
          '''
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

// Looked at once a day, and not resolved by itself: one mail on a Monday, and none that takes it back.
resource ledgerHead 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (ledgerMails) {
  name: 'ledger-head-${name}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Amplitude exporter: keep this mail (the ledger\'s newest line)'
    description: 'Nothing is wrong. Ledger is NUMBER:HASH of the newest line: whoever keeps this mail can prove later that no stored day was changed before it. docs/operations.md: "Keep the head of the ledger".'
    severity: 4
    enabled: true
    autoMitigate: false
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'P1D'
    windowSize: 'P1D'
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: '''
            AppTraces
            | where Message startswith "run queued: run=" or Message startswith "run ended: run=" or Message startswith "run summary: newest="
            | extend Ledger = extract(" ledger=([0-9]+:[0-9a-f]{64})", 1, Message)
            | where isnotempty(Ledger)
            | summarize arg_max(TimeGenerated, Ledger)
            | where isnotempty(Ledger) and dayofweek(now()) == 1d
          '''
          timeAggregation: 'Count'
          // A mail does not show the rows that were found, but the values of dimensions.
          dimensions: [
            {
              name: 'Ledger'
              operator: 'Include'
              values: [
                '*'
              ]
            }
          ]
          operator: 'GreaterThan'
          threshold: 0
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}
