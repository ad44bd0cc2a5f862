// Who may erase a person from the dumps and from what is left of them: old versions and soft-deleted blobs, too. A person, or
// a group of people; never the app, whose role may write days and purge nothing. Deployed by an Owner, or by somebody with User
// Access Administrator, when there is something to erase, and taken back afterwards; docs/operations.md, "Erase a person".
//   az deployment group create --resource-group GROUP --name eraser --parameters infra/eraser.bicepparam
targetScope = 'resourceGroup'

@description('The object id of whoever erases.')
@minLength(36)
@maxLength(36)
param eraserId string

@description('What this id is.')
@allowed([
  'User'
  'Group'
])
param eraserKind string = 'User'

@description('The storage account of the dumps: output exportAccountName of the exporter\'s deployment.')
@minLength(3)
@maxLength(24)
param exportAccountName string

@description('The vault with the key of erasures: output vaultName of the exporter\'s deployment.')
@minLength(3)
@maxLength(24)
param vaultName string

@description('The object id of the exporter\'s identity, which is not to be the eraser: output appPrincipalId.')
@minLength(36)
@maxLength(36)
param appPrincipalId string

@description('EXPORT_CONTAINER: the container of the dumps.')
@minLength(3)
@maxLength(63)
param exportContainer string = 'amplitude'

@description('EXPORT_LEDGER_CONTAINER: the container of the ledger, which tells of erasures, and of no person.')
@minLength(3)
@maxLength(63)
param exportLedgerContainer string = take('${exportContainer}-ledger', 63)

var group = resourceGroup().id
var secretsUser = '4633458b-17de-408a-b874-0445c86b69e6'
var eraser = toLower(eraserId) == toLower(appPrincipalId)
  ? fail('eraserId: this is the exporter\'s own identity. What it may purge, whoever takes it over may purge.')
  : toLower(eraserId)

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: exportAccountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: account
  name: 'default'
}

resource dumps 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: exportContainer
}

resource ledger 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: blobs
  name: exportLedgerContainer
}

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' existing = {
  name: vaultName
}

resource erasureKey 'Microsoft.KeyVault/vaults/secrets@2025-05-01' existing = {
  parent: vault
  name: 'ERASURE-KEY'
}

// Storage Blob Data Owner can do the same, and much besides: it also gives rights away.
resource eraserRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'eraser-role')
  properties: {
    roleName: 'Amplitude eraser ${uniqueString(resourceGroup().id)}'
    description: 'Reads, writes and deletes dumps, their old versions, and what is soft-deleted.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/read'
        ]
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/deleteBlobVersion/action'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/permanentDelete/action'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [
      group
    ]
  }
}

// As in dumps-role.bicep, under a name of its own: an eraser is there without that template, too.
resource lineRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'eraser-ledger-role')
  properties: {
    roleName: 'Amplitude eraser, ledger ${uniqueString(resourceGroup().id)}'
    description: 'Reads the ledger and adds lines to it.'
    type: 'CustomRole'
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/read'
        ]
        notActions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [
      group
    ]
  }
}

resource erases 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: dumps
  name: guid(dumps.id, eraser, eraserRole.name)
  properties: {
    principalId: eraser
    principalType: eraserKind
    roleDefinitionId: eraserRole.id
  }
}

resource tells 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: ledger
  name: guid(ledger.id, eraser, lineRole.name)
  properties: {
    principalId: eraser
    principalType: eraserKind
    roleDefinitionId: lineRole.id
  }
}

resource readsKey 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: erasureKey
  name: guid(erasureKey.id, eraser, secretsUser)
  properties: {
    principalId: eraser
    principalType: eraserKind
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', secretsUser)
  }
}

@description('What to take back when all is erased.')
output takeBack string[] = [
  'az role assignment delete --ids ${erases.id}'
  'az role assignment delete --ids ${tells.id}'
  'az role assignment delete --ids ${readsKey.id}'
]
