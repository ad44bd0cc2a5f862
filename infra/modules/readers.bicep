// Whoever may read the dumps and the ledger: these containers alone, reading alone.

@description('Object ids of Entra groups and users, each once.')
param readers { id: string, kind: 'Group' | 'User' }[]

@description('The storage account of the dumps.')
param exportAccountName string

@description('The container of the dumps.')
param container string

@description('The container of the ledger.')
param ledgerContainer string

resource exportAccount 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: exportAccountName
}

resource exportBlobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' existing = {
  parent: exportAccount
  name: 'default'
}

resource dumps 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: exportBlobs
  name: container
}

resource ledger 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' existing = {
  parent: exportBlobs
  name: ledgerContainer
}

// Storage Blob Data Reader.
var role = '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'

resource dumpsReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for reader in readers: {
    scope: dumps
    name: guid(dumps.id, reader.id, role)
    properties: {
      principalId: reader.id
      principalType: reader.kind
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]

// No person is in it. Who reads days should be able to prove them.
resource ledgerReader 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for reader in readers: {
    scope: ledger
    name: guid(ledger.id, reader.id, role)
    properties: {
      principalId: reader.id
      principalType: reader.kind
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    }
  }
]
