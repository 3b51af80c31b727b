/** What a guard tells beside its words of what becomes of its group, in names and numbers, for whoever reads its log. */
import { z } from 'zod';

export const guardNewsSchema = z.object({
  /** `gone`: nothing runs any more, whoever ended it; `refused`: the cloud grants no lease. */
  guard: z.enum(['starting', 'stopping', 'gone', 'refused']),
  /** The newest term that the guard had seen by then. */
  term: z.int().min(0),
});
export type GuardNews = z.infer<typeof guardNewsSchema>;
