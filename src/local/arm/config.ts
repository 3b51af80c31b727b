/**
 * What the local ARM is started with: the part of a cloud that is there before Leeward comes. The local stack writes it as
 * a JSON file; it holds no credential, only the name of the file that does.
 */
import { z } from 'zod';

/** How machines of an image run: what `findMachinery` gives. */
const machinerySchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('qemu'), image: z.object({ kernel: z.string().min(1), initramfs: z.string().min(1) }) }),
  z.object({ kind: z.literal('simulated'), reason: z.string().min(1) }),
]);

export const armConfigSchema = z.strictObject({
  subscriptionId: z.string().min(1).meta({ description: 'The only subscription there is.' }),
  storageAccounts: z.array(
    z.strictObject({
      id: z.string().startsWith('/subscriptions/'),
      location: z.string().min(1),
      connectionStringFile: z.string().min(1).meta({
        description: "File with the account's connection string: what the platform knows and its users need not.",
      }),
    }),
  ),
  images: z.array(
    z.strictObject({
      id: z.string().startsWith('/subscriptions/').meta({
        description: 'Image definition or version of a gallery, or an image; what machines refer to.',
      }),
      location: z.string().min(1),
      machinery: machinerySchema,
    }),
  ),
  virtualNetworks: z.array(
    z.strictObject({
      id: z.string().startsWith('/subscriptions/'),
      location: z.string().min(1),
      subnets: z.array(z.string().min(1)).min(1),
    }),
  ),
  operationMs: z.int().min(0).default(500).meta({ description: 'How long an operation takes at least.' }),
  retryAfterSeconds: z.int().min(0).default(1).meta({ description: 'What Retry-After says; Azure has whole seconds.' }),
  sizesWithoutCapacity: z.array(z.string()).default([]).meta({
    description: 'Machine sizes whose allocation fails, after a while, with AllocationFailed.',
  }),
});

/** Checked, with its defaults. */
export type ArmConfig = z.infer<typeof armConfigSchema>;
/** As a caller writes it. */
export type ArmConfigInput = z.input<typeof armConfigSchema>;
