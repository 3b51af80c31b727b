/**
 * The local ARM's memory: resource groups, resources and operations, each a JSON file of the state folder.
 *
 * Invariants: what a request was told is in a file before it is told; a file is whole or the one before (written
 * beside, then renamed); one process at a time works on a folder.
 */
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LeewardError } from '../../kernel/errors.ts';
import { sha256Hex } from '../../kernel/hash.ts';
import { keyOf } from './resource-id.ts';

/** A resource, or a resource group: what clients wrote (unknown properties too) and, in `local`, what is ours. */
export const resourceSchema = z.looseObject({
  id: z.string(),
  name: z.string(),
  /** `Microsoft.Resources/resourceGroups` for a group. */
  type: z.string(),
  /** Name of the resource group; its own for a group. */
  group: z.string(),
  location: z.string(),
  tags: z.record(z.string(), z.string()),
  properties: z.looseObject({ provisioningState: z.string() }),
  local: z.looseObject({}),
});
export type Resource = z.infer<typeof resourceSchema>;

/** A long operation. */
export const operationSchema = z.object({
  id: z.string(),
  verb: z.enum(['put', 'delete', 'deallocate']),
  resourceId: z.string(),
  startMs: z.number(),
  endMs: z.number().optional(),
  status: z.enum(['InProgress', 'Succeeded', 'Failed']),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});
export type Operation = z.infer<typeof operationSchema>;

/** Documents of one kind, by id. */
export class Documents<T extends { readonly id: string }> {
  private readonly folder: string;
  private readonly byKey = new Map<string, T>();

  /** Reads what `folder` holds. Throws DOCUMENT_INVALID for a file that is not `schema`'s form. */
  constructor(folder: string, schema: z.ZodType<T>) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.json'))) {
      const parsed = schema.safeParse(JSON.parse(readFileSync(join(folder, name), 'utf8')));
      if (!parsed.success) {
        throw new LeewardError('DOCUMENT_INVALID', `${join(folder, name)} is no document of the local ARM`);
      }
      this.byKey.set(keyOf(parsed.data.id), parsed.data);
    }
  }

  get(id: string): T | undefined {
    return this.byKey.get(keyOf(id));
  }

  all(): readonly T[] {
    return [...this.byKey.values()];
  }

  put(document: T): void {
    const file = this.file(document.id);
    writeFileSync(`${file}.new`, `${JSON.stringify(document, undefined, 2)}\n`, { mode: 0o600 });
    renameSync(`${file}.new`, file);
    this.byKey.set(keyOf(document.id), document);
  }

  remove(id: string): void {
    rmSync(this.file(id), { force: true });
    this.byKey.delete(keyOf(id));
  }

  private file(id: string): string {
    return join(this.folder, `${fileNameOf(id)}.json`);
  }
}

/** The name of what belongs to `id` on this machine's disk: ids are longer than a file's name may be. */
export function fileNameOf(id: string): string {
  return sha256Hex(keyOf(id)).slice(0, 32);
}

export interface Store {
  readonly resources: Documents<Resource>;
  readonly operations: Documents<Operation>;
}

export function openStore(folder: string): Store {
  return {
    resources: new Documents(join(folder, 'resources'), resourceSchema),
    operations: new Documents(join(folder, 'operations'), operationSchema),
  };
}
