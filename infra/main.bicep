// Everything between an empty resource group and a nightly export. Deployed with main.bicepparam:
//   az deployment group create --resource-group GROUP --parameters infra/main.bicepparam
// docs/operations.md tells how; docs/security.md tells who may do what, and why.
targetScope = 'resourceGroup'

@description('Region of everything. The list is the EU where every service used here is confirmed; see locationOutsideEu.')
@allowed([
  'austriaeast'
  'francecentral'
  'germanywestcentral'
  'italynorth'
  'northeurope'
  'polandcentral'
  'spaincentral'
  'swedencentral'
  'westeurope'
])
param location string = 'germanywestcentral'

@description('Overrides location with a region outside the EU. Events hold personal data: ask whoever answers for them first.')
param locationOutsideEu string = ''

@description('Start of every resource name; lower-case letters and digits.')
@minLength(3)
@maxLength(9)
param name string = 'ampexport'

@description('The environment name of azd, which finds its resources by it. Leave empty without azd.')
@maxLength(64)
param environmentName string = ''

@description('Tags put on everything, besides those that azd needs.')
param tags { *: string } = {}

@description('The Amplitude project\'s API key. Empty leaves the vault\'s secret as it is.')
@secure()
@maxLength(256)
param ampApiKey string = ''

@description('The Amplitude project\'s secret key. Empty leaves the vault\'s secret as it is.')
@secure()
@maxLength(256)
param ampSecretKey string = ''

@description('AMP_BASE_URL: where the Amplitude project lives. https://amplitude.com for a US project.')
param ampBaseUrl string = 'https://analytics.eu.amplitude.com'

@description('EXPORT_CONTAINER: the container of the dumps.')
@minLength(3)
@maxLength(63)
param exportContainer string = 'amplitude'

@description('EXPORT_PREFIX: goes before every name and ends with a slash, for example web/. Keeps several Amplitude projects apart.')
@maxLength(512)
param exportPrefix string = ''

@description('EXPORT_DATA_OUTFILE: the last part of a dump\'s name.')
@minLength(1)
@maxLength(60)
param exportDataOutfile string = 'ampl_dump'

@description('EXPORT_SCHEDULE: when the nightly run starts; six fields, UTC. Not before 02:00: hour 23 cannot be exported earlier. Not after 05:00: the alert looks at 06:00.')
param exportSchedule string = '0 0 2 * * *'

@description('EXPORT_TMP_LIMIT_MB: bound of all working files on the instance\'s small temp disk.')
@minValue(100)
@maxValue(10000)
param exportTmpLimitMb int = 400

@description('EXPORT_MAX_ATTEMPTS: requests for one window at most.')
@minValue(1)
@maxValue(5)
param exportMaxAttempts int = 5

@description('EXPORT_DELAY_SECONDS: the first wait after a 5xx; text, because Bicep knows no fractions.')
@minLength(1)
@maxLength(8)
param exportDelaySeconds string = '1'

@description('EXPORT_SETTLE_HOURS: hours after a day\'s end from which an export of it is final.')
@minValue(0)
@maxValue(168)
param exportSettleHours int = 12

@description('EXPORT_LOOKBACK_DAYS: days before yesterday that the nightly run repairs, too.')
@minValue(1)
@maxValue(365)
param exportLookbackDays int = 7

@description('EXPORT_MAX_REJECTED_PERCENT: more than this and more than 10 lines rejected: the day fails; text, as above.')
@minLength(1)
@maxLength(8)
param exportMaxRejectedPercent string = '1'

@description('EXPORT_CONCURRENCY: chains that a backfill makes. Amplitude allows 5 requests at once, dashboards included.')
@minValue(1)
@maxValue(4)
param exportConcurrency int = 2

@description('EXPORT_TABLES: parquet makes a table of each day that is whole. The package needs DuckDB: docs/tables.md, "In the app".')
@allowed([
  ''
  'parquet'
])
param exportTables string = ''

@description('EXPORT_REPORT: on writes report.html each night. The package needs DuckDB: docs/tables.md, "In the app".')
@allowed([
  ''
  'on'
])
param exportReport string = ''

@description('EXPORT_LEDGER_CONTAINER: the container of the ledger, in the account of the dumps. What is in it can only grow.')
@minLength(3)
@maxLength(63)
param exportLedgerContainer string = take('${exportContainer}-ledger', 63)

@description('EXPORT_SCRUB_DAYS: each final day is read again, and held against its record, once in so many nights. 0: never.')
@minValue(0)
@maxValue(36500)
param exportScrubDays int = 30

@description('EXPORT_ERASURE_KEY: the key of the hashes of erased ids. Goes into the vault, and needs erasure. Empty leaves the vault\'s secret as it is. Never another one while erasures are to last.')
@secure()
@maxLength(200)
param exportErasureKey string = ''

@description('EXPORT_ERASE_FOLLOW: on reads Amplitude\'s list of deleted people each night.')
@allowed([
  ''
  'on'
])
param exportEraseFollow string = ''

@description('EXPORT_ERASE_CONFIRM: ask proposes whom that list names, and a person erases them; auto erases them.')
@allowed([
  'ask'
  'auto'
])
param exportEraseConfirm string = 'ask'

@description('EXPORT_LOG_LEVEL. Above INFO the alerts are blind: the lines that they look for are INFO lines.')
@allowed([
  'DEBUG'
  'INFO'
])
param exportLogLevel string = 'INFO'

@description('Python of the function app.')
@allowed([
  '3.12'
  '3.13'
])
param pythonVersion string = '3.13'

@description('Memory of one instance in MB: 512, 2048 or 4096.')
@minValue(512)
@maxValue(4096)
param instanceMemoryMb int = 2048

// A later change between one zone and three is a conversion: Azure starts it within days and it takes as long. A second
// region is added or left at once, and costs the transfer of everything.
@description('How the dumps are kept. LRS: one building; ZRS: three; GRS and GZRS: a second region too, which in the EU only France Central, Germany West Central, North Europe, Sweden Central and West Europe have. docs/operations.md, "Change the redundancy", before you change it.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_GZRS'
])
param exportRedundancy string = 'Standard_ZRS'

@description('Days after which a day is deleted, counted from when it was last written. 0: never.')
@minValue(0)
@maxValue(36500)
param retentionDays int = 0

@description('Days for which an overwritten or deleted blob can be brought back.')
@minValue(7)
@maxValue(365)
param restoreDays int = 30

@description('Whether soft-deleted versions can be purged before their time by whoever has that right, which the app never has. For erasures that must not wait; docs/operations.md, "Erase a person".')
param permanentDelete bool = false

// A locked policy can be extended five times, and never be shortened or taken off: not by us, not by Microsoft.
@description('Days from the last line of a year\'s ledger for which nobody may delete it. Can be made less only until it is locked: docs/operations.md, "Lock the ledger".')
@minValue(1)
@maxValue(146000)
param ledgerRetentionDays int = 365

@description('True once infra/lock-ledger.sh has locked the ledger\'s policy: Azure refuses to write a locked one, so a deployment then leaves it as it is.')
param ledgerLocked bool = false

@description('Whether a mail brings the ledger\'s newest line every Monday. Whoever keeps one can prove that nothing older was changed.')
param ledgerMails bool = true

@description('True once the vault has the secret ERASURE-KEY, or gets it now: the app then reads it.')
param erasure bool = false

@description('Who may read the dumps: object ids of Entra groups, or group:ID and user:ID. With keys off, nobody else can, not even whoever deploys. No default, so that nobody is forgotten: none, alone, means nobody.')
param readers string[]

@description('False if you may not assign roles here: output missingRoles then lists the commands for an administrator.')
param assignRoles bool = true

@description('The role by which the app writes dumps. narrow: the one of infra/dumps-role.bicep, deployed once before; it cannot delete the container.')
@allowed([
  'builtIn'
  'narrow'
])
param dumpsRole string = 'builtIn'

@description('True for production: a lock on the dumps\' account and one on the vault, purge protection on the vault. Needs Owner, or Contributor and User Access Administrator. False at a later deployment takes none of it back.')
param protect bool = false

@description('E-mail addresses that alerts go to. No default, because a deployment without them would empty the list: none, alone, means that alerts show in the portal only.')
param alertEmails string[]

@description('Alert when yesterday has this many times more, or fewer, events than the days before.')
@minValue(2)
@maxValue(1000)
param volumeFactor int = 5

@description('Days that logs are kept. Up to 31 are free; traces are kept 90 days at no charge in any case.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Logs taken in per day at most, in GB. A normal day is a few MB; above the cap the alerts are blind until the next day.')
@minValue(1)
@maxValue(100)
param logDailyCapGb int = 1

// What was pasted with a blank, a capital or a trailing comma is put right here; what cannot be put right is refused below.
var region = empty(locationOutsideEu) ? location : toLower(replace(locationOutsideEu, ' ', ''))
var amplitude = toLower(trim(ampBaseUrl))
var ampUrl = endsWith(amplitude, '/') ? take(amplitude, length(amplitude) - 1) : amplitude
var ampHost = replace(ampUrl, 'https://', '')
var isAddress = startsWith(ampUrl, 'https://') && contains(ampHost, '.')
var schedule = trim(exportSchedule)
var parts = split(exportPrefix, '/')
var fields = split(schedule, ' ')
var mails = union([], filter(map(alertEmails, mail => toLower(trim(mail))), mail => !empty(mail)))
var people = union([], filter(map(readers, reader => toLower(trim(reader))), reader => !empty(reader)))
var mailList = mails == ['none'] ? [] : mails
var readerList = map(people == ['none'] ? [] : people, reader => {
  kind: startsWith(reader, 'user:') ? 'User' : 'Group'
  id: replace(replace(reader, 'user:', ''), 'group:', '')
})

// Bicep knows no patterns. What is left of a text without its permitted characters is what is wrong with it.
var digits = '0123456789'
var hex = '${digits}abcdef'
var small = '${hex}ghijklmnopqrstuvwxyz'
var mixed = '${small}ABCDEFGHIJKLMNOPQRSTUVWXYZ'
var texts = [
  { name: 'name', value: name, may: small, form: 'lower-case letters and digits' }
  { name: 'locationOutsideEu', value: region, may: small, form: 'the short name of a region, as eastus' }
  { name: 'environmentName', value: environmentName, may: '${mixed}-_.()', form: 'a name of azd' }
  { name: 'exportContainer', value: exportContainer, may: '${small}-', form: 'lower-case letters, digits and hyphens' }
  {
    name: 'exportLedgerContainer'
    value: exportLedgerContainer
    may: '${small}-'
    form: 'lower-case letters, digits and hyphens'
  }
  {
    name: 'exportPrefix'
    value: exportPrefix
    may: '${mixed}-_/'
    form: 'letters, digits, hyphens, underscores and slashes'
  }
  {
    name: 'exportDataOutfile'
    value: exportDataOutfile
    may: '${mixed}-_'
    form: 'letters, digits, hyphens, underscores'
  }
  { name: 'exportSchedule', value: join(take(fields, 4), ''), may: '${digits}*/,-', form: 'six fields, as 0 0 2 * * *' }
  { name: 'exportSchedule', value: join(skip(fields, 4), ''), may: '${mixed}*/,-', form: 'six fields, as 0 0 2 * * *' }
  { name: 'exportDelaySeconds', value: exportDelaySeconds, may: '${digits}.', form: 'a number from 0 to 60' }
  {
    name: 'exportMaxRejectedPercent'
    value: exportMaxRejectedPercent
    may: '${digits}.'
    form: 'a number from 0 to 100'
  }
  { name: 'ampBaseUrl', value: ampHost, may: '${small}.-', form: 'https:// and a host, without a path' }
]
var strange = filter(
  texts,
  text =>
    !empty(reduce(
      map(range(0, length(text.may)), i => substring(text.may, i, 1)),
      text.value,
      (rest, char) => replace(string(rest), string(char), '')
    ))
)
var numbers = [
  { name: 'exportDelaySeconds', value: exportDelaySeconds, parts: split(exportDelaySeconds, '.'), most: 60 }
  {
    name: 'exportMaxRejectedPercent'
    value: exportMaxRejectedPercent
    parts: split(exportMaxRejectedPercent, '.')
    most: 100
  }
]
var readable = filter(numbers, entry => !contains(map(strange, text => text.name), entry.name))
var noNumber = filter(readable, entry => length(entry.parts) > 2 || contains(entry.parts, ''))
// A tenth more for any fraction: 60.5 counts as 60.1, and is too much for 60.
var tooMuch = filter(
  filter(readable, entry => !contains(noNumber, entry)),
  entry => int('${entry.parts[0]}${empty(replace(join(skip(entry.parts, 1), ''), '0', '')) ? 0 : 1}') > entry.most * 10
)
// Of seconds, minutes, hours, days, months and days of the week.
var mosts = [59, 59, 23, 31, 12, 6]
var wholeSchedule = length(fields) == 6 && !contains(fields, '')
var times = flatten(map(
  range(0, wholeSchedule ? 6 : 0),
  i => map(split(fields[i], ['*', '/', ',', '-']), time => { value: time, most: mosts[i] })
))
var tooLate = filter(
  filter(
    times,
    time =>
      !empty(time.value) && empty(reduce(
        map(range(0, 10), i => string(i)),
        time.value,
        (rest, char) => replace(string(rest), string(char), '')
      ))
  ),
  time => length(time.value) > 4 || int(take(time.value, 4)) > time.most
)
var noId = filter(
  readerList,
  reader =>
    join(map(split(reader.id, '-'), part => string(length(part))), '-') != '8-4-4-4-12' || !empty(reduce(
      map(range(0, 16), i => substring(hex, i, 1)),
      replace(reader.id, '-', ''),
      (rest, char) => replace(string(rest), string(char), '')
    ))
)
var noMail = filter(
  mailList,
  mail =>
    length(split(mail, '@')) != 2 || startsWith(mail, '@') || !contains(last(split(mail, '@')), '.') || length(split(
      mail,
      [' ', ';', '<', '>', '"', ':']
    )) > 1
)
var noTag = filter(
  items(tags),
  tag =>
    length(tag.key) > 128 || length(string(tag.value)) > 256 || length(split(
      tag.key,
      ['<', '>', '%', '&', '\\', '?', '/']
    )) > 1
)
var oneRegion = contains(['austriaeast', 'italynorth', 'polandcentral', 'spaincentral'], region)

// Every problem is named at once, as the app does with its settings.
var problems = concat(
  map(strange, text => '${text.name}: "${text.value}" is not ${text.form}.'),
  map(concat(noNumber, tooMuch), entry => '${entry.name}: "${entry.value}" is not a number from 0 to ${entry.most}.'),
  map(tooLate, time => 'exportSchedule: ${time.value} is more than ${time.most}, the last of its field.'),
  map(noId, reader => 'readers: "${reader.id}" is no object id. Write ID, group:ID or user:ID.'),
  map(noMail, mail => 'alertEmails: "${mail}" is no address.'),
  map(noTag, tag => 'tags: "${tag.key}" is no tag that every service takes.'),
  filter(
    [
      wholeSchedule ? '' : 'exportSchedule: "${schedule}" has not six fields, as 0 0 2 * * * has.'
      contains('-${exportContainer}-', '--')
        ? 'exportContainer: "${exportContainer}" has a hyphen at an end, or two in a row.'
        : ''
      contains('-${exportLedgerContainer}-', '--')
        ? 'exportLedgerContainer: "${exportLedgerContainer}" has a hyphen at an end, or two in a row.'
        : ''
      exportLedgerContainer == exportContainer
        ? 'exportLedgerContainer: "${exportLedgerContainer}" is the container of the dumps, which come and go. The ledger needs one of its own.'
        : ''
      instanceMemoryMb == 512 && !empty('${exportTables}${exportReport}')
        ? 'instanceMemoryMb: 512 is too little for EXPORT_TABLES and EXPORT_REPORT, which take up to 500 MB besides. Use 2048.'
        : ''
      (exportEraseFollow == 'on' || exportEraseConfirm == 'auto') && !erasure
        ? 'erasure: EXPORT_ERASE_FOLLOW=on and EXPORT_ERASE_CONFIRM=auto need the key of erasures. Set EXPORT_ERASURE_KEY once, and ERASURE=true always.'
        : ''
      empty(exportPrefix) || endsWith(exportPrefix, '/')
        ? ''
        : 'exportPrefix: "${exportPrefix}" does not end with a slash.'
      contains(take(parts, max(0, length(parts) - 1)), '')
        ? 'exportPrefix: "${exportPrefix}" has a slash in front, or two in a row.'
        : ''
      isAddress ? '' : 'ampBaseUrl: it has to begin with https:// and name a host. It is "${ampBaseUrl}".'
      empty(mails)
        ? 'alertEmails: nothing is given, which would empty the list. Set ALERT_EMAILS to addresses, or to none.'
        : ''
      empty(people) ? 'readers: nothing is given. Set READERS to object ids of groups or users, or to none.' : ''
      length(union([], map(readerList, reader => reader.id))) == length(readerList)
        ? ''
        : 'readers: one id is given as a group and as a user.'
      length(tags) > 48 ? 'tags: more than 48 are more than Azure takes.' : ''
      contains([512, 2048, 4096], instanceMemoryMb)
        ? ''
        : 'instanceMemoryMb: ${instanceMemoryMb} is not 512, 2048 or 4096.'
      oneRegion && startsWith(exportRedundancy, 'Standard_G')
        ? 'exportRedundancy: ${region} has no second region. Use Standard_ZRS.'
        : ''
    ],
    problem => !empty(problem)
  )
)

// Apart from the problems above: what hangs on a secret is not evaluated by what-if, and everything hangs on the problems.
var inKey = [' ', '\n', '"', '\'']
var apiKey = length(split(trim(ampApiKey), inKey)) > 1
  ? fail('ampApiKey: a blank, a quote or a line end is in it.')
  : trim(ampApiKey)
var secretKey = length(split(trim(ampSecretKey), inKey)) > 1
  ? fail('ampSecretKey: a blank, a quote or a line end is in it.')
  : trim(ampSecretKey)
var erasureKey = !empty(trim(exportErasureKey)) && !erasure
  ? fail('exportErasureKey: it is given, and erasure is false. Set ERASURE=true, at this and every later deployment.')
  : length(split(trim(exportErasureKey), inKey)) > 1
      ? fail('exportErasureKey: a blank, a quote or a line end is in it.')
      : !empty(trim(exportErasureKey)) && length(trim(exportErasureKey)) < 32
          ? fail('exportErasureKey: it has less than 32 characters. "openssl rand -base64 32" makes one.')
          : trim(exportErasureKey)

// Names are computed once, and here: what-if then knows them too, and shows lifecycle, roles and readers.
var suffix = uniqueString(resourceGroup().id)
var appName = empty(problems) ? '${name}-${suffix}' : fail(join(problems, ' '))
var hostAccountName = take('${name}h${suffix}', 24)
var exportAccountName = take('${name}x${suffix}', 24)
var keyVaultName = 'kv-${name}-${take(suffix, 8)}'
var componentName = 'appi-${appName}'
var azdTags = empty(environmentName) ? {} : { 'azd-env-name': environmentName }
var allTags = union(tags, azdTags)

module identity 'modules/identity.bicep' = {
  params: {
    location: region
    name: 'id-${appName}'
    tags: allTags
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    location: region
    name: appName
    componentName: componentName
    tags: allTags
    logRetentionDays: logRetentionDays
    logDailyCapGb: logDailyCapGb
  }
}

module hostStorage 'modules/host-storage.bicep' = {
  params: {
    location: region
    name: hostAccountName
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
  }
}

module exportStorage 'modules/export-storage.bicep' = {
  params: {
    location: region
    name: exportAccountName
    tags: allTags
    container: exportContainer
    redundancy: exportRedundancy
    restoreDays: restoreDays
    permanentDelete: permanentDelete
    ledgerContainer: exportLedgerContainer
    ledgerRetentionDays: ledgerRetentionDays
    ledgerLocked: ledgerLocked
    protect: protect
    workspaceId: monitoring.outputs.workspaceId
  }
}

module lifecycle 'modules/lifecycle.bicep' = {
  params: {
    accountName: exportAccountName
    container: exportContainer
    prefix: exportPrefix
    retentionDays: retentionDays
    oldVersionDays: restoreDays
  }
  dependsOn: [
    exportStorage
  ]
}

module vault 'modules/vault.bicep' = {
  params: {
    location: region
    name: keyVaultName
    tags: allTags
    ampApiKey: apiKey
    ampSecretKey: secretKey
    erasureKey: erasureKey
    protect: protect
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'modules/roles.bicep' = if (assignRoles) {
  params: {
    // In the assignments' names, because an identity that was deleted and made again needs new ones. It exists only after
    // the deployment: what-if shows these assignments with an expression for a name.
    #disable-next-line what-if-short-circuiting
    principalId: identity.outputs.principalId
    hostAccountName: hostAccountName
    exportAccountName: exportAccountName
    container: exportContainer
    ledgerContainer: exportLedgerContainer
    dumpsRole: dumpsRole
    vaultName: keyVaultName
    erasure: erasure
    componentName: componentName
  }
  dependsOn: [
    exportStorage
    hostStorage
    monitoring
    vault
  ]
}

module readerRoles 'modules/readers.bicep' = if (assignRoles) {
  params: {
    readers: readerList
    exportAccountName: exportAccountName
    container: exportContainer
    ledgerContainer: exportLedgerContainer
  }
  dependsOn: [
    exportStorage
  ]
}

module app 'modules/app.bicep' = {
  params: {
    location: region
    name: appName
    tags: allTags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostAccountName: hostAccountName
    deploymentContainer: hostStorage.outputs.deploymentContainer
    vaultUri: vault.outputs.uri
    connectionString: monitoring.outputs.connectionString
    workspaceId: monitoring.outputs.workspaceId
    pythonVersion: pythonVersion
    instanceMemoryMb: instanceMemoryMb
    storageUrl: exportStorage.outputs.url
    container: exportContainer
    prefix: exportPrefix
    dataOutfile: exportDataOutfile
    ampBaseUrl: ampUrl
    schedule: schedule
    tmpLimitMb: exportTmpLimitMb
    maxAttempts: exportMaxAttempts
    delaySeconds: exportDelaySeconds
    settleHours: exportSettleHours
    lookbackDays: exportLookbackDays
    maxRejectedPercent: exportMaxRejectedPercent
    concurrency: exportConcurrency
    tables: exportTables
    report: exportReport
    ledgerContainer: exportLedgerContainer
    scrubDays: exportScrubDays
    erasure: erasure
    eraseFollow: exportEraseFollow
    eraseConfirm: exportEraseConfirm
    logLevel: exportLogLevel
  }
  // The app looks its keys and its storage up when it starts; it starts with the rights it needs.
  dependsOn: [
    roles
  ]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    location: region
    name: appName
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
    alertEmails: mailList
    volumeFactor: volumeFactor
    upkeep: !empty('${exportTables}${exportReport}') || exportScrubDays > 0
    ledgerMails: ledgerMails
  }
}

module workbook 'modules/workbook.bicep' = {
  params: {
    location: region
    name: appName
    tags: allTags
    workspaceId: monitoring.outputs.workspaceId
  }
}

var assignRole = 'az role assignment create --assignee-principal-type ServicePrincipal --assignee-object-id ${identity.outputs.principalId}'
var assignReader = 'az role assignment create --role "Storage Blob Data Reader"'
var dumpsRoleId = dumpsRole == 'narrow' ? guid(resourceGroup().id, 'dumps-role') : 'Storage Blob Data Contributor'
var ledgerRoleId = dumpsRole == 'narrow' ? guid(resourceGroup().id, 'ledger-role') : 'Storage Blob Data Contributor'
var queues = '${hostStorage.outputs.id}/queueServices/default/queues'
var appCommands = [
  '${assignRole} --role "Storage Blob Data Owner" --scope ${hostStorage.outputs.id}'
  '${assignRole} --role "Storage Table Data Contributor" --scope ${hostStorage.outputs.id}'
  '${assignRole} --role "Storage Queue Data Contributor" --scope ${queues}/export-days'
  '${assignRole} --role "Storage Queue Data Contributor" --scope ${queues}/export-days-poison'
  '${assignRole} --role "${dumpsRoleId}" --scope ${exportStorage.outputs.containerId}'
  '${assignRole} --role "${ledgerRoleId}" --scope ${exportStorage.outputs.ledgerContainerId}'
  '${assignRole} --role "Key Vault Secrets User" --scope ${vault.outputs.id}/secrets/AMP-API-KEY'
  '${assignRole} --role "Key Vault Secrets User" --scope ${vault.outputs.id}/secrets/AMP-SECRET-KEY'
  '${assignRole} --role "Monitoring Metrics Publisher" --scope ${monitoring.outputs.componentId}'
]
var erasureCommands = erasure
  ? ['${assignRole} --role "Key Vault Secrets User" --scope ${vault.outputs.id}/secrets/ERASURE-KEY']
  : []
var readersOf = flatten(map(assignRoles ? [] : readerList, reader => [
  { reader: reader, ledger: false }
  { reader: reader, ledger: true }
]))

@description('Commands an administrator runs when assignRoles is false, for the app.')
output missingRoles string[] = assignRoles ? [] : concat(appCommands, erasureCommands)

@description('The same for whoever may read the dumps.')
output missingReaderRoles string[] = [
  for each in readersOf: '${assignReader} --scope ${each.ledger ? exportStorage.outputs.ledgerContainerId : exportStorage.outputs.containerId} --assignee-principal-type ${each.reader.kind} --assignee-object-id ${each.reader.id}'
]

// Not in capitals, as azd's samples have them: Azure answers such names in another case (azurE_...), and a query finds nothing.
@description('The function app.')
output functionAppName string = app.outputs.name

@description('Where the function app answers.')
output appUrl string = app.outputs.url

@description('Where the dumps are.')
output dumpsUrl string = '${exportStorage.outputs.url}/${exportContainer}'

@description('The container of the ledger, in the same account.')
output ledgerContainer string = exportLedgerContainer

@description('What is left to do after a deployment with PROTECT=true, once and for ever: lock the policy of the ledger.')
output lockLedger string = protect && !ledgerLocked ? 'infra/lock-ledger.sh ${resourceGroup().name}' : ''

@description('The storage account of the dumps.')
output exportAccountName string = exportStorage.outputs.name

@description('The storage account of the Functions host, with the queue of days.')
output hostAccountName string = hostStorage.outputs.name

@description('The vault that holds the Amplitude keys.')
output vaultName string = vault.outputs.name

@description('The object id of the app\'s identity, which infra/ci asks for.')
output appPrincipalId string = identity.outputs.principalId

@description('The workspace that holds the logs.')
output workspaceId string = monitoring.outputs.workspaceId

@description('The workspace as log queries address it.')
output logWorkspace string = monitoring.outputs.workspaceCustomerId
