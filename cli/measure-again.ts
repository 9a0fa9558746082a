import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { forgetStages } from '../lineage/forget.js'
import { describedTypes } from '../plugins/loading/load.js'
import type { FrozenPlan } from '../spec/frozen-plan.js'
import { canonicalJson } from '../store/digest.js'
import type { Store } from '../store/index.js'
import { machineStateDirectory } from '../store/paths.js'
import type { RunDocument } from './runs.js'

/**
 * Forgets the costs of blocks that a run has measured: in the store, and what this machine has kept of them for other runs.
 * @returns how many measurements
 */
export async function forgetProfile(store: Store, document: RunDocument): Promise<number> {
  const plan = (await store.readJson(document.plan)) as FrozenPlan
  const records = await forgetStages(plan, store, await describedTypes(plan), document.given, 'profile')
  const measured = new Set(records.map(({ outputs }) => canonicalJson(outputs.values)))
  const folder = join(machineStateDirectory(), 'profiles')
  // What was kept are the same values, by a digest of what was timed.
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const path = join(folder, name)
    if (name.endsWith('.json') && measured.has(asStored(path))) rmSync(path, { force: true })
  }
  return records.length
}

/** The values in a file as records have them; '' for one that cannot be read. */
function asStored(path: string): string {
  try {
    return canonicalJson(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    return ''
  }
}
