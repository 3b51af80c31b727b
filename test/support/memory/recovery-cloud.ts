/**
 * A recovery region in memory: resources by name, long operations that take time on a clock, and a record of everything
 * that was ever created, so that a test sees what was made twice.
 */
import type { Clock } from '../../../src/kernel/clock.ts';
import { LeewardError } from '../../../src/kernel/errors.ts';
import type {
  DiskSpec,
  InterfaceSpec,
  MachineSpec,
  MachineView,
  OperationState,
  OperationToken,
  RecoveryCloud,
  ResourceSpec,
} from '../../../src/ports/recovery-cloud.ts';

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly capacity: boolean;
}

interface Resource {
  readonly spec: string;
  ready: boolean;
}

interface Operation {
  readonly readyMs: number;
  readonly failure: Failure | undefined;
  readonly effect: () => void;
}

export class MemoryRecoveryCloud implements RecoveryCloud {
  /** Keys of all that was ever created anew, in order: `GROUP`, `GROUP/disk/NAME`. */
  readonly created: string[] = [];
  /** Images that exist. */
  readonly images: Set<string>;
  readonly #clock: Clock;
  readonly #operationMs: number;
  readonly #resources = new Map<string, Resource>();
  readonly #operations = new Map<OperationToken, Operation>();
  readonly #failures = new Map<string, Failure[]>();

  constructor(of: { clock: Clock; images: readonly string[]; operationMs?: number }) {
    this.#clock = of.clock;
    this.images = new Set(of.images);
    this.#operationMs = of.operationMs ?? 3000;
  }

  /** Lets the next operation on resources of a kind end as failed. */
  failNext(kind: 'disk' | 'interface' | 'machine', failure: Failure): void {
    this.#failures.set(kind, [...(this.#failures.get(kind) ?? []), failure]);
  }

  /** Keys of what there is. */
  existing(): string[] {
    return [...this.#resources.keys()].sort();
  }

  async ensureResourceGroup(spec: { name: string; location: string; tags: Readonly<Record<string, string>> }) {
    this.#put(spec.name, spec).ready = true;
  }

  async checkImage(imageId: string): Promise<void> {
    if (!this.images.has(imageId)) throw new LeewardError('NOT_FOUND', `image ${imageId}: ResourceNotFound`);
  }

  async startDisk(spec: DiskSpec): Promise<OperationToken> {
    return this.#start('disk', spec);
  }

  async startInterface(spec: InterfaceSpec): Promise<OperationToken> {
    return this.#start('interface', spec);
  }

  async startMachine(spec: MachineSpec): Promise<OperationToken> {
    this.#needReady(`${spec.resourceGroup}/interface/${spec.interfaceName}`);
    for (const { diskName } of spec.disks) this.#needReady(`${spec.resourceGroup}/disk/${diskName}`);
    return this.#start('machine', spec);
  }

  async startRemoval(resourceGroup: string): Promise<OperationToken | undefined> {
    if (!this.#resources.has(resourceGroup)) return undefined;
    return this.#operation(undefined, () => {
      for (const key of this.existing()) {
        if (key === resourceGroup || key.startsWith(`${resourceGroup}/`)) this.#resources.delete(key);
      }
    });
  }

  async poll(token: OperationToken): Promise<OperationState> {
    const operation = this.#operations.get(token);
    if (!operation) throw new LeewardError('NOT_FOUND', `there is no operation ${token}`);
    if (this.#clock.wallMs() < operation.readyMs) return { state: 'running', retryAfterMs: 1000 };
    if (operation.failure) return { state: 'failed', ...operation.failure };
    operation.effect();
    return { state: 'succeeded' };
  }

  async machine(at: { resourceGroup: string; name: string; interfaceName: string }): Promise<MachineView> {
    const { spec } = this.#needReady(`${at.resourceGroup}/machine/${at.name}`);
    this.#needReady(`${at.resourceGroup}/interface/${at.interfaceName}`);
    const { tags } = JSON.parse(spec) as MachineSpec;
    return { power: 'running', tags, address: '10.0.0.4' };
  }

  #start(kind: 'disk' | 'interface' | 'machine', spec: ResourceSpec): OperationToken {
    this.#needReady(spec.resourceGroup);
    const resource = this.#put(`${spec.resourceGroup}/${kind}/${spec.name}`, spec);
    return this.#operation(this.#failures.get(kind)?.shift(), () => {
      resource.ready = true;
    });
  }

  /** Meets a resource of that name, as an idempotent PUT does, or makes it. */
  #put(key: string, spec: object): Resource {
    const text = JSON.stringify(spec);
    const found = this.#resources.get(key);
    if (found) {
      if (found.spec !== text) throw new LeewardError('PLATFORM_FAILED', `${key}: PropertyChangeNotAllowed`);
      return found;
    }
    const made = { spec: text, ready: false };
    this.#resources.set(key, made);
    this.created.push(key);
    return made;
  }

  #needReady(key: string): Resource {
    const found = this.#resources.get(key);
    if (found?.ready !== true) throw new LeewardError('NOT_FOUND', `${key}: ResourceNotFound`);
    return found;
  }

  #operation(failure: Failure | undefined, effect: () => void): OperationToken {
    const token = `operation-${this.#operations.size + 1}`;
    this.#operations.set(token, { readyMs: this.#clock.wallMs() + this.#operationMs, failure, effect });
    return token;
  }
}
