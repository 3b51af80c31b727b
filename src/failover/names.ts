/**
 * Names of a run and of everything that it makes in the recovery region.
 *
 * Invariants: they are a function of the order, the group and the plan alone, so that a repeated order meets its run and
 * a repeated step meets its own work; two runs never share a resource group. Lengths: a run's name at most 30 characters
 * (the ticket allows 40), a resource group's at most 88 (Azure allows 90).
 */
import { sha256Hex } from '../kernel/hash.ts';
import { groupId } from '../kernel/ids.ts';
import type { GroupRef } from '../kernel/ids.ts';

/** The run that an order leads to in a group's term: the same order given again meets the same run. */
export function runName(of: { term: number; kind: 'unplanned'; order: string }): string {
  return `t${of.term}-${of.kind}-${sha256Hex(of.order).slice(0, 8)}`;
}

/** Whether a run was named for this term: one that was left over from an earlier term must not begin. */
export function isOfTerm(run: string, term: number): boolean {
  return run.startsWith(`t${term}-`);
}

/** The resource group that holds all that a run makes, and nothing else. The hash keeps equal names of two sites apart. */
export function runResourceGroup(group: GroupRef, run: string): string {
  return `leeward-${group.group}-${run}-${sha256Hex(`${groupId(group)} ${run}`).slice(0, 8)}`;
}

/** A machine's network interface, in the run's resource group. */
export function interfaceName(machine: string): string {
  return `${machine}-nic`;
}

/** A machine's data disk, in the run's resource group. */
export function diskName(machine: string, lun: number): string {
  return `${machine}-lun${lun}`;
}

/** Tags on everything that a run makes: whose it is, and the term, against a control store that was rolled back. */
export function runTags(of: { group: GroupRef; run: string; term: number }): Record<string, string> {
  return { 'leeward-group': groupId(of.group), 'leeward-run': of.run, 'leeward-term': String(of.term) };
}
