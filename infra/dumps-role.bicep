// A role of your own, narrower than Storage Blob Data Contributor: it reads, writes and deletes blobs, and cannot delete or
// change the container itself. Deployed once into the exporter's group, before DUMPS_ROLE=narrow. Needs Owner or User Access
// Administrator (Microsoft.Authorization/roleDefinitions/write), which is why main.bicep does without it:
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

@description('The role\'s id.')
output roleId string = role.name
