// The picture of the exporter: days, events, bytes, duration, retries, lag. Portal: the workspace, Workbooks.

@description('Region.')
param location string

@description('Name of the app that is shown.')
param name string

@description('Tags.')
param tags { *: string }

@description('The workspace that is read.')
param workspaceId string

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, name, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    category: 'workbook'
    displayName: 'Amplitude exporter (${name})'
    serializedData: loadTextContent('workbook.json')
    sourceId: workspaceId
  }
}

@description('Resource id.')
output id string = workbook.id
