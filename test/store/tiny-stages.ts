/** Stages for tests of stores: numbers in, their squares out, by way of checkpoints. Loaded instead of the built-in ones. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ArtifactRef, FanOutStage, SingleStage, Stage } from '../../api/index.js'
import { makeBlocks } from '../../plugins/blocks/index.js'
import { makeRuns } from '../../plugins/runs/index.js'
import type { Loaded } from '../../plugins/registry.js'
import { digestJson } from '../../store/digest.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'

const parameters = { type: 'object' }

const numbers: SingleStage = {
  name: 'numbers',
  version: 1,
  reads: ['numbers'],
  parameters,
  async run(context) {
    return { values: {}, files: { list: await context.put('numbers', context.spec.numbers!) } }
  },
}

/** Squares each number in four steps with a checkpoint after each; ends its process in the middle if it is told to. */
const square: FanOutStage = {
  name: 'square',
  version: 1,
  reads: [],
  parameters,
  async plan(context) {
    const list: ArtifactRef = context.stages.numbers!.files.list!
    const own = JSON.parse(readFileSync(await context.open(list), 'utf8')) as number[]
    return own.map((n) => ({ id: `square-${n}`, label: `${n} squared`, params: { n }, inputs: { list } }))
  },
  async run(context) {
    const { task, checkpoint } = context
    const { n } = task.params as { n: number }
    const file = join(checkpoint, 'state')
    const found = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0
    for (let step = found + 1; step <= 4; step++) {
      writeFileSync(`${file}.tmp`, String(step))
      renameSync(`${file}.tmp`, file)
      context.progress(step / 4, `step ${step}`)
      if (step === 2 && found === 0 && process.env.PUZZLEFLOW_TEST_CRASH === task.id)
        process.kill(process.pid, 'SIGKILL')
    }
    const weights = Buffer.alloc(100_000, `${n} squared is ${n * n}. `)
    return { values: { square: n * n, foundStep: found }, files: { weights: await context.put('weights', weights) } }
  },
  async gather(context) {
    const sum = context.tasks.reduce((total, { outputs }) => total + Number(outputs.values.square), 0)
    return { values: { sum }, files: { sum: await context.put('sum', { sum }) } }
  },
}

const stages: readonly Stage[] = [numbers, square] as readonly Stage[]

export function loadPlugins(): Loaded {
  return {
    stages,
    blocks: makeBlocks([]),
    runs: makeRuns([]),
    originOf: () => undefined,
    stage: (name) => {
      const found = stages.find((stage) => stage.name === name)
      if (!found) throw new Error(`no stage ${name}`)
      return found
    },
  }
}

/** The plan that squares numbers. */
export function planOf(numbers: readonly number[], seed = 1): FrozenPlan {
  const plan = {
    version: 1 as const,
    name: 'squares',
    pipeline: 'custom',
    seed,
    inputs: { numbers },
    inputDigests: {},
    stages: [
      { name: 'numbers', uses: 'numbers', version: 1, needs: [], params: {} },
      { name: 'square', uses: 'square', version: 1, needs: ['numbers'], params: {} },
    ],
    blocks: [],
    plugins: [],
  }
  return { ...plan, specFile: '/nowhere/squares.yaml', digest: digestJson(plan) }
}
