// Where the logs go: one workspace, and Application Insights on top of it. Tokens only, no instrumentation keys.

@description('Region.')
param location string

@description('Name of the app that is watched.')
param name string

@description('Name of the Application Insights component.')
param componentName string

@description('Tags.')
param tags { *: string }

@description('Days that logs are kept.')
param logRetentionDays int

@description('Logs taken in per day at most, in GB.')
param logDailyCapGb int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: 'log-${name}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: logRetentionDays
    workspaceCapping: {
      dailyQuotaGb: logDailyCapGb
    }
    features: {
      disableLocalAuth: true
    }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: componentName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

@description('The workspace.')
output workspaceId string = workspace.id

@description('What log queries are addressed to.')
output workspaceCustomerId string = workspace.properties.customerId

@description('The Application Insights component.')
output componentId string = component.id

@description('Where telemetry is sent. No secret: sending needs a token as well.')
output connectionString string = component.properties.ConnectionString
