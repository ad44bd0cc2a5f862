// Two roles of your own, narrower than Storage Blob Data Contributor. One is for the dumps: it reads, writes and deletes blobs,
// and cannot delete or change the container itself. One is for the ledger: it reads, makes append blobs and adds to their ends.
// Deployed once into the exporter's group, before DUMPS_ROLE=narrow, and again when a new version says so. Needs Owner or User
// Access Administrator (Microsoft.Authorization/roleDefinitions/write), which is why main.bicep does without them:
// docs/adr/0017-the-narrow-role-is-an-offer.md.
targetScope = 'resourceGroup'

var group = resourceGroup().id

resource role 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'dumps-role')
  properties: {
    // Names of roles are unique in a tenant.
    roleName: 'Amplitude dumps writer ${uniqueString(resourceGroup().id)}'
    description: 'Reads, writes and deletes dumps. Cannot delete their container.'
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

// Put Blob of a blob that is not there, and Append Block, need add/action alone; whatever changes or takes away needs write or
// delete.
resource ledgerRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, 'ledger-role')
  properties: {
    roleName: 'Amplitude ledger appender ${uniqueString(resourceGroup().id)}'
    description: 'Reads the ledger and adds lines to it. Cannot change or delete one.'
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

@description('The id of the role for the dumps.')
output roleId string = role.name

@description('The id of the role for the ledger.')
output ledgerRoleId string = ledgerRole.name
