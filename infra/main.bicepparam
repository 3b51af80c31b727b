// An example of the parameters. The secret comes from the environment, so that it stands in no file:
//   export LEEWARD_KEY_SECRET=$(openssl rand -base64 32)
using './main.bicep'

param location = 'westeurope'
param name = 'leeward'
param keySecret = readEnvironmentVariable('LEEWARD_KEY_SECRET')

// Where people are told and asked: {"ops": "https://…"}. The names go into `leeward person add`.
param webhooks = readEnvironmentVariable('LEEWARD_WEBHOOKS', '{}')

// An app in another region that looks at sites from there: what `leeward witness add --kind region` wrote, as a JSON list.
param observe = readEnvironmentVariable('LEEWARD_OBSERVE', '[]')
// param observerLocation = 'northeurope'

// Who runs the command against this deployment (`leeward volume add`): the object id of a person or, better, a group.
//   az ad signed-in-user show --query id --output tsv
// param operatorPrincipalId = '00000000-0000-0000-0000-000000000000'

// Who may look, and do nothing: the object id of a person or a group.
// param readerPrincipalId = '00000000-0000-0000-0000-000000000000'

// Mail about every notice.
// param alertEmail = 'operations@example.com'
