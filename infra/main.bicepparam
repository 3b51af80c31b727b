// An example of the parameters. The secret comes from the environment, so that it stands in no file:
//   export LEEWARD_KEY_SECRET=$(openssl rand -base64 32)
using './main.bicep'

param location = 'westeurope'
param name = 'leeward'
param keySecret = readEnvironmentVariable('LEEWARD_KEY_SECRET')

// Who runs the command against this deployment (`leeward volume add`): the object id of a person or, better, a group.
//   az ad signed-in-user show --query id --output tsv
// param operatorPrincipalId = '00000000-0000-0000-0000-000000000000'
