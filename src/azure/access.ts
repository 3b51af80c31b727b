/**
 * Short-lived access as SAS URLs: by user delegation where the account is reached by identity, by the account's
 * key where that is what there is (Azurite).
 *
 * Invariants: a site can add messages to two queues, create blobs in its own journal container, and write one upload,
 * whose container holds nothing else; it can do nothing besides: not read, not list, not overwrite an entry. Who reads a
 * replica can read that one blob, and nothing else.
 */
import {
  BlobSASPermissions,
  ContainerSASPermissions,
  SASProtocol,
  generateBlobSASQueryParameters,
} from '@azure/storage-blob';
import type { BlobSASSignatureValues, UserDelegationKey } from '@azure/storage-blob';
import {
  QueueSASPermissions,
  SASProtocol as QueueSASProtocol,
  generateQueueSASQueryParameters,
} from '@azure/storage-queue';
import type { Clock } from '../kernel/clock.ts';
import { isLeewardError } from '../kernel/errors.ts';
import type { BlobPlace, ContainerPlace } from '../kernel/places.ts';
import type { AccessIssuer, ReadAccess } from '../ports/access.ts';
import type { StorageAccount, StorageAccounts } from './clients.ts';
import { calling } from './errors.ts';

/**
 * Clocks differ a little: a delegation key begins this much in the past. Source: Azure Storage, "Grant limited access with
 * SAS", best practices.
 */
const BEGINS_EARLIER_MS = 15 * 60_000;

/** A delegation key is asked for this much beyond what the first SAS needs, so that it serves others too. */
const KEY_EXTRA_MS = 60 * 60_000;

interface DelegationKeys {
  readonly blob: UserDelegationKey;
  readonly queue: UserDelegationKey;
  readonly expiresAtMs: number;
}

export class SasAccess implements AccessIssuer, ReadAccess {
  readonly #accounts: StorageAccounts;
  readonly #clock: Clock;
  readonly #keys = new Map<string, DelegationKeys>();
  readonly #ensured = new Set<string>();

  constructor(accounts: StorageAccounts, clock: Clock) {
    this.#accounts = accounts;
    this.#clock = clock;
  }

  async queueUrl(queue: string, expiresAtMs: number): Promise<string> {
    const account = this.#accounts.control;
    const client = account.queues.getQueueClient(queue);
    const values = {
      queueName: queue,
      permissions: QueueSASPermissions.parse('a'),
      expiresOn: new Date(expiresAtMs),
      protocol: isSecure(client.url) ? QueueSASProtocol.Https : QueueSASProtocol.HttpsAndHttp,
    };
    const sas = account.sharedKey
      ? generateQueueSASQueryParameters(values, account.sharedKey)
      : generateQueueSASQueryParameters(values, (await this.#delegation(account, expiresAtMs)).queue, account.name);
    return `${client.url}?${sas.toString()}`;
  }

  async journalUrl(place: ContainerPlace, expiresAtMs: number): Promise<string> {
    const account = this.#accounts.named(place.account);
    const { url } = account.blobs.getContainerClient(place.container);
    const scope = { containerName: place.container, permissions: ContainerSASPermissions.parse('c') };
    return this.#blobUrl(account, url, { ...scope, expiresOn: new Date(expiresAtMs) });
  }

  async readUrl(place: BlobPlace, expiresAtMs: number): Promise<string> {
    return this.#urlOfBlob(place, 'r', expiresAtMs);
  }

  async uploadUrl(place: BlobPlace, expiresAtMs: number): Promise<string> {
    return this.#urlOfBlob(place, 'w', expiresAtMs);
  }

  async ensureContainer(place: ContainerPlace): Promise<void> {
    const key = `${place.account}/${place.container}`;
    if (this.#ensured.has(key)) return;
    await calling(`making the container "${place.container}"`, async () =>
      this.#accounts.named(place.account).blobs.getContainerClient(place.container).createIfNotExists(),
    );
    this.#ensured.add(key);
  }

  async removeContainer(place: ContainerPlace): Promise<void> {
    this.#ensured.delete(`${place.account}/${place.container}`);
    try {
      await calling(`removing the container "${place.container}"`, async () =>
        this.#accounts.named(place.account).blobs.getContainerClient(place.container).delete(),
      );
    } catch (error) {
      if (!isLeewardError(error, 'NOT_FOUND')) throw error;
    }
  }

  async #urlOfBlob(place: BlobPlace, permissions: string, expiresAtMs: number): Promise<string> {
    const account = this.#accounts.named(place.account);
    const { url } = account.blobs.getContainerClient(place.container).getBlobClient(place.blob);
    const { container: containerName, blob: blobName } = place;
    const scope = { containerName, blobName, permissions: BlobSASPermissions.parse(permissions) };
    return this.#blobUrl(account, url, { ...scope, expiresOn: new Date(expiresAtMs) });
  }

  async #blobUrl(
    account: StorageAccount,
    url: string,
    scope: Pick<BlobSASSignatureValues, 'containerName' | 'blobName' | 'permissions'> & { readonly expiresOn: Date },
  ): Promise<string> {
    const values = { ...scope, protocol: isSecure(url) ? SASProtocol.Https : SASProtocol.HttpsAndHttp };
    const sas = account.sharedKey
      ? generateBlobSASQueryParameters(values, account.sharedKey)
      : generateBlobSASQueryParameters(
          values,
          (await this.#delegation(account, scope.expiresOn.getTime())).blob,
          account.name,
        );
    return `${url}?${sas.toString()}`;
  }

  async #delegation(account: StorageAccount, expiresAtMs: number): Promise<DelegationKeys> {
    const known = this.#keys.get(account.name);
    if (known && known.expiresAtMs >= expiresAtMs) return known;
    const untilMs = expiresAtMs + KEY_EXTRA_MS;
    const begins = new Date(this.#clock.wallMs() - BEGINS_EARLIER_MS);
    const keys = await calling('asking for a user delegation key', async () => ({
      blob: await account.blobs.getUserDelegationKey(begins, new Date(untilMs)),
      queue: await account.queues.getUserDelegationKey(begins, new Date(untilMs)),
      expiresAtMs: untilMs,
    }));
    this.#keys.set(account.name, keys);
    return keys;
  }
}

/** Plain HTTP is allowed only where the service itself speaks nothing else, as Azurite does. */
function isSecure(url: string): boolean {
  return url.startsWith('https:');
}
