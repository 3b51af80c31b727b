// What the function app may do through Resource Manager: two custom roles, since no built-in one is as narrow. Their
// actions are those of src/azure/permissions.ts, which names the calls that need them and what is only assumed.
//
// The run role holds for the whole subscription, because each run makes a resource group of its own, and removes it when
// the run is undone. It could therefore remove any group: use a subscription in which nothing else lies. What Leeward
// itself must never lose is under a lock (storage.bicep, keyvault.bicep), which this role cannot lift.
// The import role holds for the one storage account (roles.bicep assigns it).
targetScope = 'subscription'

@description('Start of the roles\' names.')
@minLength(3)
@maxLength(10)
param name string

@description('Object id of the identity of the function app.')
@minLength(36)
@maxLength(36)
param principalId string

var scope = subscription().id

resource runRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(scope, name, 'run')
  properties: {
    roleName: '${name} recovery run'
    description: 'Creates and removes the resource groups, disks, network interfaces and machines of failover runs.'
    type: 'CustomRole'
    assignableScopes: [
      scope
    ]
    permissions: [
      {
        actions: [
          // A run's own resource group.
          'Microsoft.Resources/subscriptions/resourceGroups/read'
          'Microsoft.Resources/subscriptions/resourceGroups/write'
          // Disks imported from copies of recovery points.
          'Microsoft.Compute/disks/read'
          'Microsoft.Compute/disks/write'
          // Network interfaces in the plan's subnet, and their private addresses.
          'Microsoft.Network/networkInterfaces/read'
          'Microsoft.Network/networkInterfaces/write'
          'Microsoft.Network/networkInterfaces/join/action'
          'Microsoft.Network/virtualNetworks/subnets/read'
          'Microsoft.Network/virtualNetworks/subnets/join/action'
          // Machines, and whether they run.
          'Microsoft.Compute/virtualMachines/read'
          'Microsoft.Compute/virtualMachines/write'
          'Microsoft.Compute/virtualMachines/instanceView/read'
          // Solution stacks in the image library. A gallery in another subscription needs a role there.
          'Microsoft.Compute/galleries/images/read'
          'Microsoft.Compute/galleries/images/versions/read'
          // Removing a run: its group, with all that is in it.
          'Microsoft.Resources/subscriptions/resourceGroups/delete'
          'Microsoft.Compute/disks/delete'
          'Microsoft.Compute/virtualMachines/delete'
          'Microsoft.Network/networkInterfaces/delete'
          // Long operations, looked at again by the next message.
          'Microsoft.Compute/locations/operations/read'
          'Microsoft.Compute/locations/diskOperations/read'
          'Microsoft.Network/locations/operations/read'
          'Microsoft.Resources/subscriptions/operationresults/read'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource importRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(scope, name, 'import')
  properties: {
    roleName: '${name} disk import'
    description: 'Imports disks from page blobs of a storage account.'
    type: 'CustomRole'
    assignableScopes: [
      scope
    ]
    permissions: [
      {
        actions: [
          'Microsoft.Storage/storageAccounts/read'
          // Assumed to be needed by a disk's createOption Import, documented nowhere and not verified. The account takes
          // no shared keys, so that the keys listed open nothing.
          'Microsoft.Storage/storageAccounts/listKeys/action'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

resource runAssignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(scope, runRole.id, principalId)
  properties: {
    roleDefinitionId: runRole.id
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

@description('Resource id of the import role, for the storage account of the replicas.')
output importRoleId string = importRole.id
