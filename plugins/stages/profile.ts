import { existsSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  alternate,
  layerFacts,
  slotShapes,
  Timed,
  typical,
  type Model,
  type ModelConfig,
  type Scenario,
  type Timing,
} from '../../model/index.js'
import { elements, numericsVersion } from '../../tensor/index.js'
import { digestJson, Failure, type JsonObject, type Slot, type Stage, type Weights } from '../api/index.js'
import { fingerprint, sizes, type Cost, type CostTable } from './costs.js'
import { variants, type Variant } from './library.js'
import { normal } from './random.js'
import { openParent } from './sequences.js'

interface ProfileParams {
  readonly copies: number
  readonly repetitions: number
  readonly threads: number
}

/**
 * Prefill and decoding time of every distinct block on this machine: models of N and of 2N copies run the scenario in
 * turn, and the difference is N blocks. A model without blocks is the floor. Times do not depend on the weights' values.
 * What was measured is kept in the user's state directory by hardware fingerprint, so that a rerun takes the same costs.
 */
export const profile: Stage<ProfileParams> = {
  name: 'profile',
  version: 1,
  reads: ['model', 'space', 'target'],
  exclusive: true,
  parameters: {
    type: 'object',
    additionalProperties: false,
    properties: {
      copies: { type: 'integer', minimum: 1, default: 4, description: 'N: a model of N copies against one of 2N.' },
      repetitions: { type: 'integer', minimum: 1, default: 5, description: 'Passes of each model; the median counts.' },
      threads: { type: 'integer', minimum: 1, default: 1 },
    },
  },

  async run(context) {
    const { params, spec } = context
    const target = spec.target as { scenario: JsonObject; profile?: string }
    const scenario = target.scenario as unknown as Scenario
    const model = await openParent(context)
    const parts = distinctVariants(model, spec.space as JsonObject)
    if (target.profile !== undefined) {
      const table = await readProfile(target.profile, scenario, parts)
      return {
        values: { measured: 'elsewhere' },
        files: { costs: await context.put('costs', table as unknown as JsonObject) },
      }
    }
    const print = fingerprint(params.threads)
    const blocks = parts.map(({ slot, variant }) => ({
      slot,
      block: variant.block,
      params: variant.params,
      version: model.blocks.get(slot, variant.block).version,
    }))
    const key = digestJson({ print, scenario, blocks, params, numericsVersion, shape: { ...model.config, blocks: 0 } })
    const kept = join(context.machineState, 'profiles', `${key}.json`)
    if (!existsSync(kept)) {
      const table = await measure(model, parts, scenario, params, print, context)
      await mkdir(join(context.machineState, 'profiles'), { recursive: true })
      await writeFile(`${kept}.${process.pid}.tmp`, JSON.stringify(table, null, 1))
      await rename(`${kept}.${process.pid}.tmp`, kept)
    } else context.log('times of these blocks on this machine are known')
    const table = JSON.parse(await readFile(kept, 'utf8')) as JsonObject
    return { values: { measured: 'here', fingerprint: print }, files: { costs: await context.put('costs', table) } }
  },
}

type Part = { readonly slot: Slot; readonly variant: Variant }

function distinctVariants(model: Model, space: JsonObject): Part[] {
  const found = new Map<string, Part>()
  for (let layer = 0; layer < model.config.layers; layer++)
    for (const slot of ['attention', 'ffn'] as const)
      for (const variant of variants(space, slot, layerFacts(model.config, layer), model.blocks))
        found.set(`${slot}/${variant.id}`, { slot, variant })
  return [...found.values()]
}

async function measure(
  model: Model,
  parts: readonly Part[],
  scenario: Scenario,
  { copies, repetitions, threads }: ProfileParams,
  print: JsonObject,
  context: { progress(fraction: number, message: string): void },
): Promise<CostTable> {
  const floorModel = stacked(model, undefined, 0)
  const floorTimed = await Timed.create(floorModel, scenario, threads)
  const floorSizes = sizes(floorModel, scenario)
  const [floorTime] = (await alternate([floorTimed], repetitions)).map(typical) as [Timing]
  await floorTimed.release()
  const table = { attention: {} as Record<string, Cost>, ffn: {} as Record<string, Cost> }
  for (const [i, part] of parts.entries()) {
    const { slot, variant } = part
    context.progress(i / parts.length, `${slot} ${variant.id}`)
    if (variant.empty) {
      table[slot][variant.id] = { prefillSeconds: 0, decodeSeconds: 0, memoryBytes: 0, parameters: 0 }
      continue
    }
    const models = [stacked(model, part, copies), stacked(model, part, 2 * copies)]
    const timed = await Promise.all(models.map((m) => Timed.create(m, scenario, threads)))
    const [one, two] = (await alternate(timed, repetitions)).map(typical) as [Timing, Timing]
    for (const t of timed) await t.release()
    // Noise can make a tiny difference negative: a block takes no negative time.
    const difference = (kind: keyof Timing) => Math.max(0, two[kind] - one[kind]) / copies
    const single = sizes(stacked(model, part, 1), scenario)
    table[slot][variant.id] = {
      prefillSeconds: difference('prefillSeconds'),
      decodeSeconds: difference('decodeSeconds'),
      memoryBytes: single.memoryBytes - floorSizes.memoryBytes,
      parameters: single.parameters - floorSizes.parameters,
    }
  }
  return { version: 1, fingerprint: print, scenario, floor: { ...floorTime, ...floorSizes }, ...table }
}

/** A model of N copies of a block, with made-up weights. */
function stacked(model: Model, part: Part | undefined, copies: number): Model {
  const empty = { block: 'no-op', params: {} }
  const own = part && { block: part.variant.block, params: part.variant.params }
  const layer = { attention: part?.slot === 'attention' ? own! : empty, ffn: part?.slot === 'ffn' ? own! : empty }
  const config: ModelConfig = {
    ...model.config,
    layers: copies,
    blocks: Array(copies).fill(layer) as ModelConfig['blocks'],
  }
  return {
    ...model,
    config,
    async weights(at, slot): Promise<Weights> {
      const random = normal(at + 1)
      return Object.fromEntries(
        Object.entries(slotShapes(config, at, slot, model.blocks)).map(([name, shape]) => [
          name,
          { shape, data: Float32Array.from({ length: elements(shape) }, () => random() * 0.02) },
        ]),
      )
    },
  }
}

/** A cost table measured elsewhere. */
async function readProfile(path: string, scenario: Scenario, parts: readonly Part[]): Promise<CostTable> {
  const bad = (message: string) =>
    new Failure('InvalidInput', `${path}: ${message}`, {
      file: path,
      remedy: 'Export it with `puzzleflow profile RUN -o FILE` from a run with the same space and scenario.',
    })
  let table: CostTable
  try {
    table = JSON.parse(await readFile(path, 'utf8')) as CostTable
  } catch (error) {
    throw bad((error as Error).message)
  }
  if (table?.version !== 1 || !table.floor || !table.attention || !table.ffn) throw bad('is no cost table')
  for (const key of ['batch', 'prefill', 'generate'] as const)
    if (table.scenario?.[key] !== scenario[key])
      throw bad(`was measured with ${key} ${table.scenario?.[key]}, not ${scenario[key]}`)
  for (const { slot, variant } of parts)
    if (!table[slot][variant.id]) throw bad(`has no costs of ${slot} ${variant.id}`)
  return table
}
