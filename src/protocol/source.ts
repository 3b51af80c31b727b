/** A sender's own name of a disk: what a rule of admission makes a volume of, without anybody registering it. */
import { z } from 'zod';

/** Such as `web-1/sdb`. */
export const sourceSchema = z
  .string()
  .min(1)
  .max(200)
  .regex(/^[\x21-\x7e]+$/, 'use visible ASCII without spaces')
  .meta({ description: "The sender's own name of a disk, such as web-1/sdb." });
