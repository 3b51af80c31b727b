/**
 * The clients of Azure Resource Manager, constructed in one place.
 *
 * Invariants: plain HTTP, which only the local composition speaks, is called without any credential at all; a request
 * that is not answered ends, so that no function waits for ever.
 */
import { ComputeManagementClient } from '@azure/arm-compute';
import { NetworkManagementClient } from '@azure/arm-network';
import { ResourceManagementClient } from '@azure/arm-resources';
import { bearerTokenAuthenticationPolicyName } from '@azure/core-rest-pipeline';
import type { Pipeline } from '@azure/core-rest-pipeline';
import type { TokenCredential } from '@azure/identity';

export interface ArmAddress {
  /** `https://management.azure.com`, or the local ARM's. */
  readonly endpoint: string;
  readonly subscriptionId: string;
  /** Not used over plain HTTP. */
  readonly credential: TokenCredential;
}

export interface ArmClients {
  readonly compute: ComputeManagementClient;
  readonly network: NetworkManagementClient;
  readonly resources: ResourceManagementClient;
}

/** How long one request may take. ARM answers a PUT at once and works on it later. */
const REQUEST_TIMEOUT_MS = 30_000;

/** A credential that has none, for clients whose bearer policy is taken out. */
const NO_CREDENTIAL: TokenCredential = { getToken: async () => null };

/** Clients for one subscription. Constructing them sends nothing. */
export function armClients({ endpoint, subscriptionId, credential }: ArmAddress): ArmClients {
  const local = new URL(endpoint).protocol === 'http:';
  const scope = `${new URL(endpoint).origin}/.default`;
  const options = {
    endpoint,
    credentials: { scopes: [scope] },
    allowInsecureConnection: local,
    // The run tries again, from message to message; the SDK would wait inside the function.
    retryOptions: { maxRetries: 0 },
  };
  const used = local ? NO_CREDENTIAL : credential;
  const clients = {
    compute: new ComputeManagementClient(used, subscriptionId, options),
    network: new NetworkManagementClient(used, subscriptionId, options),
    resources: new ResourceManagementClient(used, subscriptionId, options),
  };
  for (const { pipeline } of Object.values(clients)) prepare(pipeline, local);
  return clients;
}

function prepare(pipeline: Pipeline, local: boolean): void {
  if (local) pipeline.removePolicy({ name: bearerTokenAuthenticationPolicyName });
  pipeline.addPolicy({
    name: 'leewardRequestTimeout',
    sendRequest: async (request, next) => {
      // The SDK's own time-out leaves its timer behind when a connection fails, and does not cover the body.
      const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
      const given = request.abortSignal;
      request.abortSignal = given instanceof AbortSignal ? AbortSignal.any([given, timeout]) : timeout;
      return await next(request);
    },
  });
}
