/** The system's own programs: mke2fs, mount and their like stand in folders that are not on every user's PATH. */
import { findTool, runTool } from '../local/machines/tools.ts';

/** Runs one and gives its standard output. Errors: PLATFORM_FAILED with its last words. */
export async function systemTool(name: string, args: readonly string[]): Promise<string> {
  return await runTool(findTool(name) ?? name, args);
}
