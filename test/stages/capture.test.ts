import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel } from '../../model/index.js'
import type { JsonObject, Outputs } from '../../api/index.js'
import { HiddenStates } from '../../puzzle/hidden-states.js'
import { readSequences } from '../../data/sequences.js'
import { blocks } from '../model/tiny.js'
import { activations, forward, normalised } from './reference.js'
import { Search } from './run-stage.js'
import { temporaryFolder } from '../temporary-folder.js'
import { changeWeights, textsOf, tinySpec, tinyWorld } from './world.js'

const world = await tinyWorld()
const parent = await openModel(world.parent, blocks)
const capture = (params: JsonObject, folder = world.folder) =>
  Search.open(folder, tinySpec({ stages: { capture: params, 'check-limits': false } }))

/** Largest error of captured states of real tokens, as a share of the largest number of the token's state. */
async function largestError(search: Search, model: typeof parent, prefix: string): Promise<number> {
  const { files } = await search.outputs('capture')
  const sequences = await readSequences(search.environment([]), files[`${prefix}tokens`]!)
  const names = ['hidden00', 'mid00', 'hidden01', 'mid01', 'hidden02', 'mid02', 'hidden03']
  const captured = await Promise.all(
    names.map(async (name) => HiddenStates.read(await search.store.path(files[prefix + name]!))),
  )
  let worst = 0
  for (const [row, ids] of textsOf(sequences).entries()) {
    const { states } = await forward(model, ids)
    for (const [i, expected] of states.entries())
      for (const [t, state] of expected.entries()) {
        const found = captured[i]!.rows(row * sequences.length + t, 1)
        const largest = Math.max(...state.map(Math.abs))
        state.forEach((value, j) => (worst = Math.max(worst, Math.abs(found[j]! - value) / largest)))
      }
  }
  return worst
}

// A half has 11 bits: rounding is at most 2^-11 of a token's largest number, which is its scale. The rest is the
// parent's own arithmetic in float32.
const rounding = 2 ** -11 + 2e-6

test('states before, between and after all layers are those of the parent within half precision, padding or not', async () => {
  const search = await capture({ sequences: 5, validateSequences: 3, batch: 2 })
  expect(await largestError(search, parent, '')).toBeLessThan(rounding)
  expect(await largestError(search, parent, 'validate-')).toBeLessThan(rounding)
  const { values, files } = await search.outputs('capture')
  expect(values).toMatchObject({ sequences: 5, validateSequences: 3, length: 12 })
  expect(values.float16Error).toBeLessThan(2 ** -22)
  const first = await readSequences(search.environment([]), (await search.outputs('prepare')).files.train!, 5)
  expect(await readSequences(search.environment([]), files.tokens!)).toEqual(first)
  // Both kinds of rows are among them.
  expect(new Set(first.mask)).toEqual(new Set([0, 1]))
})

test('states beyond the range of half precision are kept to the same share', async () => {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  await changeWeights(join(folder, 'parent'), ({ embedding }) =>
    embedding!.forEach((v, i) => (embedding![i] = v * 1e6)),
  )
  const search = await capture({ sequences: 2, validateSequences: 2 }, folder)
  const large = await openModel(join(folder, 'parent'), blocks)
  expect(Math.max(...(await large.embedding()))).toBeGreaterThan(65504)
  expect(await largestError(search, large, '')).toBeLessThan(rounding)
})

test('what is not finite is refused by place', async () => {
  const folder = temporaryFolder()
  cpSync(world.folder, folder, { recursive: true })
  await changeWeights(join(folder, 'parent'), (weights) => weights['layers.1.ffn.down']!.fill(3e38))
  await expect((await capture({}, folder)).outputs('capture')).rejects.toMatchObject({
    kind: 'NonFinite',
    message: 'Hidden states after the ffn of layer 1 of the parent are not finite',
    remedy: 'Check the parent for damaged or extreme weights: it does not work on this text.',
  })
})

const total = ({ files }: Outputs) => Object.values(files).reduce((n, { bytes }) => n + bytes, 0)

test('the budget is never passed: there are fewer sequences, and no more are left out than must be', async () => {
  const whole = await (await capture({ sequences: 8, validateSequences: 2 })).outputs('capture')
  expect(whole.values).toMatchObject({ sequences: 8, bytes: total(whole) })
  const less = await (await capture({ sequences: 7, validateSequences: 2 })).outputs('capture')
  const perSequence = total(whole) - total(less)
  for (const short of [1, perSequence, 3.5 * perSequence]) {
    const maxBytes = Math.floor(total(whole) - short)
    const found = await (await capture({ sequences: 8, validateSequences: 2, maxBytes })).outputs('capture')
    expect(found.values.bytes).toBe(total(found))
    expect(total(found)).toBeLessThanOrEqual(maxBytes)
    expect(found.values.validateSequences).toBe(2)
    // What headers and statistics take is estimated from above: at most two sequences too many are left out.
    expect(found.values.sequences).toBeGreaterThanOrEqual(7 - Math.ceil(short / perSequence) - 1)
  }
})

test('a budget that holds nothing is refused with the number that is needed, which then suffices', async () => {
  const error: unknown = await (
    await capture({ maxBytes: 20000, validateSequences: 2 })
  )
    .outputs('capture')
    .catch((e: unknown) => e)
  expect(error).toMatchObject({
    kind: 'InvalidInput',
    message: 'capture.maxBytes 20000 is too small for one sequence of every layer',
  })
  const [needed] = /\d+/.exec((error as { remedy: string }).remedy)!.map(Number)
  const { values } = await (await capture({ maxBytes: needed!, validateSequences: 2 })).outputs('capture')
  expect(values.sequences).toBe(1)
  await expect((await capture({ maxBytes: needed! - 1, validateSequences: 2 })).outputs('capture')).rejects.toThrow()
})

test('a channel contributes its mean size over real tokens times the norm of its row of W_down', async () => {
  // Seven sequences by threes: the last batch overlaps with the one before.
  const search = await capture({ sequences: 7, validateSequences: 2, batch: 3 })
  const { files } = await search.outputs('capture')
  const statistics = await search.json<Record<string, number[]>>(files.statistics)
  const rows = textsOf(await readSequences(search.environment([]), files.tokens!))
  for (let layer = 0; layer < 3; layer++) {
    const w = await parent.weights(layer, 'ffn')
    const sums = Array<number>(40).fill(0)
    for (const ids of rows) {
      const { states } = await forward(parent, ids)
      const inner = activations(normalised(states[2 * layer + 1]!, w.norm!.data, 1e-5), w)
      for (const row of inner) row.forEach((value, i) => (sums[i]! += Math.abs(value)))
    }
    const found = statistics[`layer0${layer}`]!
    expect(found).toHaveLength(40)
    for (const [i, sum] of sums.entries()) {
      const norm = Math.hypot(...w.down!.data.subarray(i * 24, (i + 1) * 24))
      expect(found[i]! / ((sum / rows.flat().length) * norm)).toBeCloseTo(1, 5)
    }
  }
})
