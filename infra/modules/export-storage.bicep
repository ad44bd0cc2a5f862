// The storage of the dumps. Overwritten and deleted blobs can be brought back; nothing in it is public.

@description('Region.')
param location string

@description('Name of the storage account.')
param name string

@description('Tags.')
param tags { *: string }

@description('The container of the dumps.')
param container string

@description('How the dumps are kept.')
param redundancy string

@description('Days for which an overwritten or deleted blob can be brought back.')
param restoreDays int

@description('Whether soft-deleted versions can be purged before their time.')
param permanentDelete bool

@description('The container of the ledger.')
param ledgerContainer string

@description('Days from the last line of a year\'s ledger for which nobody may delete it.')
param ledgerRetentionDays int

@description('Whether the ledger\'s policy is locked already, and left as it is.')
param ledgerLocked bool

@description('Whether a lock keeps the account from being deleted.')
param protect bool

@description('Where the diagnostic logs go.')
param workspaceId string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    accessTier: 'Hot'
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: restoreDays
      allowPermanentDelete: permanentDelete
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: restoreDays
    }
  }
}

resource dumps 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: container
  properties: {
    publicAccess: 'None'
  }
}

// One line for each change of a stored day, in append blobs, a blob a year. In a container of its own, because a policy holds
// for a whole container, and days are looked at, and written, a second time.
resource ledger 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: ledgerContainer
  properties: {
    publicAccess: 'None'
  }
}

// Nothing in it is changed or deleted; append blobs may be made, and grow at their end. It is made unlocked: locking is no
// property that a template can set, and cannot be undone. infra/lock-ledger.sh does it. A container's own policy needs no
// versions of blobs, and no support of versions by the policy, which would not know protected appends.
resource onlyAppends 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-06-01' = if (!ledgerLocked) {
  parent: ledger
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: ledgerRetentionDays
    allowProtectedAppendWrites: true
  }
}

// Who read, wrote or deleted which day.
// The newest version of this type. 2016-09-01, which the rule would take instead, is an older one.
#disable-next-line use-recent-api-versions
resource blobLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
  name: 'to-workspace'
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'StorageRead'
        enabled: true
      }
      {
        category: 'StorageWrite'
        enabled: true
      }
      {
        category: 'StorageDelete'
        enabled: true
      }
    ]
  }
}

// Keeps the account from being deleted. Blobs still come and go: the exporter and the lifecycle rules are not hindered.
resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (protect) {
  scope: account
  name: 'keep-the-dumps'
  properties: {
    level: 'CanNotDelete'
    notes: 'Holds every exported day. docs/operations.md, "Tear down", tells how to remove this lock.'
  }
}

@description('Name.')
output name string = account.name

@description('Blob endpoint without the slash at its end.')
output url string = 'https://${account.name}.blob.${environment().suffixes.storage}'

@description('Resource id of the container: the scope of whoever reads or writes dumps.')
output containerId string = dumps.id

@description('Resource id of the ledger\'s container.')
output ledgerContainerId string = ledger.id
