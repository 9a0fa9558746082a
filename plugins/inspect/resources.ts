import { existsSync, statfsSync } from 'node:fs'
import { totalmem } from 'node:os'
import { dirname } from 'node:path'
import { Failure, type Work } from '../../api/index.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { usableMemory } from '../../tensor/memory-left.js'
import type { Loaded } from '../registry.js'

/** Estimate of what a stage needs of the machine. */
export interface StageNeeds {
  readonly stage: string
  /** Bytes that it stores. */
  readonly disk: number
  /** Bytes that it holds at once. */
  readonly memory: number
  /** Number of its tasks, if it is known. */
  readonly tasks?: number
  /** What its tasks have to do, if it is known. */
  readonly work?: Work
}

/** Estimates for the stages of a plan, by the stages themselves; a stage without an estimate counts as nothing. */
export async function needsOf(
  plan: FrozenPlan,
  loaded: Pick<Loaded, 'stage' | 'blocks' | 'runs'>,
): Promise<StageNeeds[]> {
  const needs: StageNeeds[] = []
  const stages = Object.fromEntries(plan.stages.map(({ name, params }) => [name, params]))
  for (const { name, uses, params } of plan.stages) {
    const { inputs: spec, inputDigests } = plan
    const { blocks, runs } = loaded
    const estimate = await loaded.stage(uses).resources?.({ params, spec, inputDigests, blocks, runs, stages })
    if (!estimate) continue
    const { disk = 0, memory = 0, tasks, work } = estimate
    needs.push({ stage: name, disk, memory, ...(tasks !== undefined && { tasks }), ...(work && { work }) })
  }
  return needs
}

/**
 * Refuses a machine on which the stages cannot end.
 * @param folder  where they store; it need not exist yet
 * @throws Failure OutOfDisk or OutOfMemory
 */
export function checkResources(folder: string, needs: readonly StageNeeds[], has = resourcesOf(folder)): void {
  const stored = needs.filter(({ disk }) => disk > 0)
  const disk = stored.reduce((n, stage) => n + stage.disk, 0)
  if (disk > has.disk) {
    const parts = stored.map((own) => `${own.stage} ${sized(own.disk)}`).join(', ')
    throw new Failure(
      'OutOfDisk',
      `${folder} has ${sized(has.disk)} free, but this needs about ${sized(disk)} (${parts})`,
      {
        remedy: 'Free some space, choose another store with --store, or lower capture.maxBytes and capture.sequences.',
      },
    )
  }
  for (const { stage, memory } of needs)
    if (memory > has.memory)
      throw new Failure(
        'OutOfMemory',
        `This machine has ${sized(has.memory)} of memory, but ${stage} needs about ${sized(memory)}`,
        { remedy: `Run it on a larger machine, or leave the stage out: \`stages: { ${stage}: false }\`.` },
      )
}

const resourcesOf = (folder: string) => ({ disk: diskOf(folder), memory: memoryOfProcess() })

/** Free bytes of the disk of a folder, which need not exist yet. */
export function diskOf(folder: string): number {
  let existing = folder
  while (!existsSync(existing)) existing = dirname(existing)
  const { bavail, bsize } = statfsSync(existing)
  return bavail * bsize
}

/** Bytes of memory that this process may use: all of the machine's, or a container's limit. */
export const memoryOfProcess = (): number => Math.min(totalmem(), usableMemory() ?? Infinity)

/** Bytes for people: `1.5 GiB`. */
function sized(bytes: number): string {
  const units = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)))
  return `${Number((bytes / 1024 ** power).toPrecision(3))} ${units[power]}`
}
