// The network of recovered machines, and of the function app that probes them at their private addresses.
//
// What must hold: recovered machines have a way out, and nobody has a way in but this network. Default outbound access
// retired on 31 March 2026, so the way out is a NAT gateway; with its address it is the one thing here that is billed by
// the hour while nothing happens.

@description('Region of the network: the machines are recovered in it.')
param location string

@description('Start of the names of the network\'s resources.')
@minLength(3)
@maxLength(60)
param name string

@description('Address range of the network, /22 or larger.')
@minLength(9)
param addressPrefix string

resource outboundAddress 'Microsoft.Network/publicIPAddresses@2024-05-01' = {
  name: '${name}-out'
  location: location
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
  }
}

resource natGateway 'Microsoft.Network/natGateways@2024-05-01' = {
  name: name
  location: location
  sku: {
    name: 'Standard'
  }
  properties: {
    publicIpAddresses: [
      {
        id: outboundAddress.id
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-05-01' = {
  name: name
  location: location
  properties: {
    addressSpace: {
      addressPrefixes: [
        addressPrefix
      ]
    }
    subnets: [
      {
        name: 'machines'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 23, 0)
          defaultOutboundAccess: false
          natGateway: {
            id: natGateway.id
          }
        }
      }
      {
        name: 'app'
        properties: {
          addressPrefix: cidrSubnet(addressPrefix, 24, 2)
          defaultOutboundAccess: false
          // All that a Flex Consumption app sends goes through its subnet: to Resource Manager and to its own public
          // address (the canary) through the gateway, to storage directly, since the gateway bills what passes it.
          natGateway: {
            id: natGateway.id
          }
          serviceEndpoints: [
            {
              service: 'Microsoft.Storage'
            }
          ]
          delegations: [
            {
              name: 'flex-consumption'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
    ]
  }
}

@description('Subnet of recovered machines, for a recovery plan.')
output machineSubnetId string = resourceId('Microsoft.Network/virtualNetworks/subnets', network.name, 'machines')

@description('Subnet of the function app.')
output appSubnetId string = resourceId('Microsoft.Network/virtualNetworks/subnets', network.name, 'app')
