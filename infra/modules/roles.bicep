// The built-in roles of the function app's identity, of an operator and of a reader, each on one resource and with its
// reason. An approver has none: what opens the one question is the link that it was sent to. What
// the app may do through Resource Manager is in recovery-role.bicep.
//
// What must hold: these are the roles of src/azure/permissions.ts, which names the calls that need them; test/infra
// holds the two against each other. The ids are those of the page "Azure built-in roles" in the documentation of Azure RBAC.

@description('Object id of the identity of the function app.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Object id of the person or group that runs the command against this deployment. Empty: nobody.')
param operatorPrincipalId string

@description('Object id of the person or group that looks at documents. Empty: nobody.')
param readerPrincipalId string

@description('Storage account of state, replicas, journals and queues.')
param storageName string

@description('Storage account of the Functions host.')
param hostStorageName string

@description('Vault of the key secret.')
param keyVaultName string

@description('Application Insights component of the app.')
param applicationInsightsName string

@description('Resource id of the custom role that disks are imported by.')
param importRoleId string

var roleIds = {
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageQueueDataMessageSender: 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'
  storageQueueDelegator: '7ee386e9-84f0-448e-80a6-f185f6533131'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

// On the account of the replicas.
var storageRoles = [
  // State documents, replicas and journals; making the journal container of a new site. It includes the user delegation
  // key that the sites' journal URLs are signed with, so that Storage Blob Delegator is not needed besides.
  roleIds.storageBlobDataContributor
  // The queue triggers; steps of runs that are sent; poison queues that are made and read.
  roleIds.storageQueueDataContributor
  // The user delegation key that the sites' queue URLs are signed with.
  roleIds.storageQueueDelegator
]

// On the account of the Functions host. Source: Azure Functions, "Connecting to host storage with an identity".
var hostStorageRoles = [
  // Leases between instances, schedules of timers, function keys, and reading the deployed package.
  roleIds.storageBlobDataOwner
  // Diagnostic events, which the host writes into a table.
  roleIds.storageTableDataContributor
]

resource storage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: storageName
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' existing = {
  parent: storage
  name: 'default'
}

resource stateContainer 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' existing = {
  parent: blobService
  name: 'state'
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' existing = {
  parent: storage
  name: 'default'
}

resource failoverQueue 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' existing = {
  parent: queueService
  name: 'leeward-failover'
}

resource hostStorage 'Microsoft.Storage/storageAccounts@2024-01-01' existing = {
  name: hostStorageName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: keyVaultName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource storageAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in storageRoles: {
    name: guid(storage.id, role, principalId)
    scope: storage
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

// Disks are imported from the copies of recovery points in this account.
resource importAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(storage.id, importRoleId, principalId)
  scope: storage
  properties: {
    roleDefinitionId: importRoleId
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
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

// The setting LEEWARD_KEY_SECRET is a reference into the vault, which the platform follows as this identity.
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

// An operator registers volumes and looks at documents; replicas and journals stay closed. The type of the principal is
// left out, since it may be a person or a group.
resource operatorStateAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(stateContainer.id, roleIds.storageBlobDataContributor, operatorPrincipalId)
  scope: stateContainer
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageBlobDataContributor)
    principalId: operatorPrincipalId
  }
}

// An operator orders a failover: the order is a message, and no message can be read or taken away.
resource operatorOrderAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(failoverQueue.id, roleIds.storageQueueDataMessageSender, operatorPrincipalId)
  scope: failoverQueue
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageQueueDataMessageSender)
    principalId: operatorPrincipalId
  }
}

// The command derives keys from the secret. Who may read it can make the key of any site or operator.
resource operatorSecretAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operatorPrincipalId)) {
  name: guid(vault.id, roleIds.keyVaultSecretsUser, operatorPrincipalId)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.keyVaultSecretsUser)
    principalId: operatorPrincipalId
  }
}

// A reader looks at documents, in which no credential stands, and may do nothing: no order, no key, no replica.
resource readerStateAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(readerPrincipalId)) {
  name: guid(stateContainer.id, roleIds.storageBlobDataReader, readerPrincipalId)
  scope: stateContainer
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds.storageBlobDataReader)
    principalId: readerPrincipalId
  }
}
