// The storage account of state, replicas, journals and queues. Its containers and queues are exactly those that exist
// once in src/kernel/names.ts; each site's journal container is made by the program, poison queues by the Functions host.
//
// What must hold: no anonymous access and no account keys, so that whatever reaches a blob or queue is an identity with a
// role or a short-lived user delegation SAS. It stays open to the Internet, since sites send to its queues and journals.

@description('Region of the account; disks are imported from it in this region only.')
param location string

@description('Name of the account: lower-case letters and digits.')
@minLength(3)
@maxLength(24)
param name string

@description('Redundancy of the account.')
@allowed([
  'Standard_ZRS'
  'Standard_GZRS'
  'Standard_LRS'
])
param sku string

var containers = [
  'state'
  'replicas'
  'points'
  'aside'
]

var queues = [
  'leeward-deltas'
  'leeward-bulk'
  'leeward-failover'
]

resource account 'Microsoft.Storage/storageAccounts@2024-01-01' = {
  name: name
  location: location
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    allowBlobPublicAccess: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowCrossTenantReplication: false
  }
}

// Neither the account nor its resource group can be deleted while this stands, by the role of runs least of all.
resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'replicas'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Replicas, journals and state of Leeward.'
  }
}

resource blobService 'Microsoft.Storage/storageAccounts/blobServices@2024-01-01' = {
  parent: account
  name: 'default'
  properties: {
    // A container that somebody deletes by mistake comes back. Blobs have no soft delete: it would keep, and bill, the
    // pages of every snapshot that retention removes.
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

resource blobContainers 'Microsoft.Storage/storageAccounts/blobServices/containers@2024-01-01' = [
  for container in containers: {
    parent: blobService
    name: container
    properties: {
      publicAccess: 'None'
    }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2024-01-01' = {
  parent: account
  name: 'default'
}

resource storageQueues 'Microsoft.Storage/storageAccounts/queueServices/queues@2024-01-01' = [
  for queue in queues: {
    parent: queueService
    name: queue
  }
]

@description('Name of the account.')
output name string = account.name

@description('Blob endpoint, without a slash at its end.')
output blobEndpoint string = 'https://${account.name}.blob.${environment().suffixes.storage}'

@description('Queue endpoint, without a slash at its end.')
output queueEndpoint string = 'https://${account.name}.queue.${environment().suffixes.storage}'
