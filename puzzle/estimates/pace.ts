import { existsSync, readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { digestJson, slots, type JsonObject, type Weights } from '../../api/index.js'
import { commonBlock, Forward, whileOpen, type Model, type Scenario } from '../../model/index.js'
import { writeWhole } from '../../store/files.js'
import { numericsVersion } from '../../tensor/index.js'
import { processors } from '../../tensor/processors.js'
import { fingerprint } from '../costs.js'
import { learner, type Lesson } from '../lesson.js'
import { layersOf, madeUp, type LayerBlocks } from '../made-up.js'
import { layersFlops } from './flops.js'

/** What a machine does in a second, for layers like a parent's. */
export type Pace = {
  /** FLOPs per second of forward passes, one thread. */
  readonly forward: number
  /** FLOPs per second of training, one thread. */
  readonly training: number
  /** Seconds of one pass of the parent through all scenarios. */
  readonly pass: number
  readonly processors: number
}

/** FLOPs of a measurement: a second or so. */
const most = 2e10

/** The version of how it is measured: what was kept of another one does not count. */
const method = 1

/** What a search has a machine do. */
export interface Workload {
  /** Tokens of a sequence. */
  readonly length: number
  readonly scenarios: readonly Scenario[]
}

/**
 * Measures what this machine does in a second, with layers of the parent's shape and made-up weights, in some seconds. What was
 * measured is kept by fingerprint.
 * @param folder  of what belongs to this machine
 */
export async function paceOf(model: Model, workload: Workload, folder: string): Promise<Pace> {
  const known = keptPace(model, workload, folder)
  if (known) return known
  const { length, scenarios } = workload
  const one = madeUp(model, layersOf(usualLayer(model), 1))
  const forward = await forwardRate(one, length)
  const pace: Pace = {
    forward,
    training: await trainingRate(one, length),
    pass: await passSeconds(model, scenarios, forward),
    processors: processors(),
  }
  const path = fileOf(model, workload, folder)
  await mkdir(dirname(path), { recursive: true })
  await writeWhole(`${path}.${process.pid}.tmp`, path, JSON.stringify(pace))
  return pace
}

/** The parent's usual layer. */
const usualLayer = ({ config }: Pick<Model, 'config'>): LayerBlocks => ({
  attention: commonBlock(config, 'attention'),
  ffn: commonBlock(config, 'ffn'),
})

/** What was measured before; undefined where nothing was, or it cannot be read. Measures nothing. */
export function keptPace(model: Model, workload: Workload, folder: string): Pace | undefined {
  const path = fileOf(model, workload, folder)
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Pace
  } catch {
    return undefined
  }
}

/** Where a measurement is kept, by what changes it. */
function fileOf(model: Model, { length, scenarios }: Workload, folder: string): string {
  const { vocabulary, hidden, layers } = model.config
  const usual = usualLayer(model)
  const shape: JsonObject = {
    attention: [usual.attention.block, usual.attention.params],
    ffn: [usual.ffn.block, usual.ffn.params],
    ...{ vocabulary, hidden, layers, length },
  }
  const print = [fingerprint(processors(), {}), ...scenarios.map((own) => fingerprint(1, own))]
  const key = digestJson({ print, shape, scenarios: scenarios.map((own) => ({ ...own })), numericsVersion, method })
  return join(folder, 'pace', `${key}.json`)
}

/** Sequences of a step that is long enough to be timed and short enough to be repeated. */
const batchFor = (flopsPerSequence: number, largest: number): number =>
  Math.max(1, Math.min(largest, Math.round(most / 10 / flopsPerSequence)))

async function forwardRate(one: Model, length: number): Promise<number> {
  const perSequence = length * layersFlops(one, length)
  const batch = batchFor(perSequence, 16)
  const forward = new Forward(batch, length)
  const x = new Float32Array(batch * length * one.config.hidden).fill(0.5)
  const seconds = await quickest(() => forward.layers(one, x, 0, 1), batch * perSequence)
  await forward.release()
  return (batch * perSequence) / seconds
}

/** Repeats work for about a second, the first time not counted. @returns the seconds of the quickest */
async function quickest(work: () => Promise<unknown>, flops: number): Promise<number> {
  await work()
  const times = Math.max(2, Math.min(20, Math.round(most / flops)))
  let best = Infinity
  for (let i = 0; i < times; i++) best = Math.min(best, await timed(work))
  return best
}

/** Seconds of one thread's work: those in which it had the processor, as the machine may be busy now and not later. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const [begin, before] = [performance.now(), process.cpuUsage()]
  await work()
  const seconds = (performance.now() - begin) / 1000
  const { user, system } = process.cpuUsage(before)
  return Math.min(seconds, (user + system) / 1e6)
}

/** Trains both slots of a layer as `distill` does. */
async function trainingRate(one: Model, length: number): Promise<number> {
  const own = one.config.blocks[0]!
  const train = slots.filter((slot) => one.blocks.get(slot, own[slot].block).empty !== true)
  const perSequence = 3 * length * layersFlops(one, length)
  const batch = batchFor(perSequence, 8)
  const steps = 4
  const lesson: Lesson = {
    layer: 0,
    train: train.map((slot) => ({ entry: slot, slot, variant: 'parent', ...own[slot] })),
    beside: 'no-op',
    ...{ batch, steps: 100, learningRate: 1e-3, weightDecay: 0 },
  }
  const weights: Record<string, Weights> = {}
  for (const slot of train) weights[slot] = await one.weights(0, slot)
  const trainer = await learner(one, lesson, weights, length, 1)
  const [tokens, width] = [batch * length, one.config.hidden]
  const states = new Float32Array(steps * tokens * width).fill(0.5)
  const dims = [steps, tokens, width]
  const data = {
    x: { dtype: 'float32' as const, dims, data: states },
    target: { dtype: 'float32' as const, dims, data: states },
    mask: { dtype: 'float32' as const, dims: [steps, tokens], data: new Float32Array(steps * tokens).fill(1) },
  }
  const seconds = await quickest(() => trainer.run(data), steps * batch * perSequence)
  await trainer.release()
  return (steps * batch * perSequence) / seconds
}

/** Seconds of a pass of the parent through each scenario: from passes of models of one and of more layers. Scenarios that would
 *  take long are cut down, and what is measured is scaled up. */
async function passSeconds(model: Model, scenarios: readonly Scenario[], rate: number): Promise<number> {
  const { layers } = model.config
  const usual = usualLayer(model)
  let sum = 0
  for (const scenario of scenarios) {
    const { batch, prefill, generate } = scenario
    const flops = (batch * (prefill + generate) * layersFlops(model, prefill)) / layers
    const share = Math.min(1, most / flops)
    const shorter = {
      ...scenario,
      prefill: Math.max(1, Math.round(prefill * share)),
      generate: Math.max(2, Math.round(generate * share)),
    }
    const more = Math.max(2, Math.min(layers, Math.floor(most / (flops * share))))
    try {
      const models = [1, more].map((n) => [madeUp(model, layersOf(usual, n)), shorter] as const)
      const [first, last] = await whileOpen(models, 1, async (all) => {
        const seconds: number[] = []
        for (const one of all) seconds.push(await quickest(() => one.pass(), most / 4))
        return seconds as [number, number]
      })
      sum += (first + ((layers - 1) / (more - 1)) * Math.max(0, last - first)) / share
    } catch {
      // An engine that is not here is refused elsewhere.
      sum += (flops * layers) / rate
    }
  }
  return sum
}
