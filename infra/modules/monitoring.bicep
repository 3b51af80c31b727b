// Application Insights over a Log Analytics workspace. Telemetry is taken from identities with a role only, so that the
// connection string in the settings is an address and no credential.

@description('Region of both resources.')
param location string

@description('Name of both resources.')
@minLength(4)
@maxLength(63)
param name string

@description('How long telemetry is kept, in days.')
@minValue(30)
@maxValue(730)
param retentionDays int = 30

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: name
  location: location
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: name
  location: location
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Name of the Application Insights component.')
output applicationInsightsName string = insights.name

@description('Where the Functions host sends telemetry.')
output connectionString string = insights.properties.ConnectionString
