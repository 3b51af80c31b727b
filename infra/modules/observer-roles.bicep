// The built-in roles of the identity of an observer in another region, each on one resource of its own.
//
// What must hold: these are the roles OBSERVER_ROLES of src/azure/permissions.ts; none is on anything of the control plane.

@description('Object id of the identity of the observer.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Storage account of the Functions host.')
param hostStorageName string

@description('Vault of the keys of its witnesses.')
param keyVaultName string

@description('Application Insights component of the app.')
param applicationInsightsName string

var roleIds = {
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

// Source: Azure Functions, "Connecting to host storage with an identity".
var hostStorageRoles = [
  // Schedules of timers, and reading the deployed package.
  roleIds.storageBlobDataOwner
  // Diagnostic events, which the host writes into a table.
  roleIds.storageTableDataContributor
]

resource hostStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostStorageName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: keyVaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource hostStorageAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in hostStorageRoles: {
    name: guid(hostStorage.id, role, principalId)
    scope: hostStorage
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

// The setting LEEWARD_OBSERVE is a reference into the vault, which the platform follows as this identity.
resource secretAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, roleIds.keyVaultSecretsUser, principalId)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Telemetry is taken from identities only.
resource telemetryAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, roleIds.monitoringMetricsPublisher, principalId)
  scope: insights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.monitoringMetricsPublisher)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}
