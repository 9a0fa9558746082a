import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure, type Blocks, type BlockType, type Family, type Runs, type RunType, type Stage } from '../api/index.js'
import type { PlannedPlugin } from '../spec/frozen-plan.js'
import { packageRoot } from '../store/paths.js'
import { builtInBlocks, makeBlocks } from './blocks/index.js'
import { builtInRuns, makeRuns } from './runs/index.js'
import { builtInStages } from './stages/index.js'

/** Stage, block and run types that a plan can use. */
export interface Loaded {
  stage(name: string): Stage
  readonly stages: readonly Stage[]
  readonly blocks: Blocks
  readonly runs: Runs
  /** The plugin that one of these types came from; undefined when it came with puzzleflow. */
  originOf(type: Stage | BlockType | RunType | Family): PlannedPlugin | undefined
}

/** Loads stage, block and run types: those that come with puzzleflow. */
export const loadPlugins = (): Loaded => makeLoaded(builtInStages, builtInBlocks, builtInRuns)

/** @throws Failure PluginBug when two types have the same name */
export function makeLoaded(
  stages: readonly Stage[],
  blocks: readonly BlockType[],
  runs: readonly RunType[],
  originOf: Loaded['originOf'] = () => undefined,
  families: readonly Family[] = [],
): Loaded {
  const byName = new Map<string, Stage>()
  for (const stage of stages) {
    if (byName.has(stage.name)) throw new Failure('PluginBug', `There are two stage types named "${stage.name}"`)
    byName.set(stage.name, stage)
  }
  return {
    stages,
    blocks: makeBlocks(blocks, families),
    runs: makeRuns(runs),
    originOf,
    stage(name) {
      const stage = byName.get(name)
      if (!stage) throw new Failure('InvalidInput', `There is no stage type "${name}"`)
      return stage
    },
  }
}

/** The run types with these names. Others are not part of a task's key, so the task must not see them. */
export const onlyRuns = (runs: Runs, names: readonly string[] = []): Runs =>
  makeRuns(runs.list().filter(({ name }) => names.includes(name)))

const folder = () => join(packageRoot(), 'plugins', 'pipelines')

/** Text of a built-in pipeline. */
export function builtInPipeline(name: string): { text: string; file: string } | undefined {
  if (!builtInPipelines().includes(name)) return undefined
  const file = join(folder(), `${name}.yaml`)
  return { text: readFileSync(file, 'utf8'), file }
}

export const builtInPipelines = (): string[] =>
  readdirSync(folder())
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -5))
