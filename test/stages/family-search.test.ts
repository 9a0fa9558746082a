import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openModel, type LayerBlocks } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { LibraryEntry } from '../../puzzle/library.js'
import type { CurvePoint } from '../../puzzle/train-with-checkpoints.js'
import type { Result } from '../../report/markdown.js'
import { blocks } from '../model/tiny.js'
import { Search } from './run-stage.js'
import { brief, tinySpec, tinyWorld } from './world.js'

const gemma: JsonObject = {
  architectures: null,
  model_type: 'gemma3_text',
  sliding_window: 3,
  sliding_window_pattern: 2,
  query_pre_attn_scalar: 9,
  final_logit_softcapping: 2,
}
const granite: JsonObject = {
  architectures: null,
  model_type: 'granite',
  embedding_multiplier: 3,
  attention_multiplier: 0.3,
  residual_multiplier: 0.5,
  logits_scaling: 2,
}
const phi: JsonObject = { architectures: null, model_type: 'phi3' }

const joining: readonly JsonObject[] = [
  { run: 'merge', span: 2 },
  { run: 'fuse-ffn', span: 2 },
]
/** Attention of the three layers, as the search calls what they have, and runs: neighbours of Gemma's are not alike. */
const families: readonly (readonly [string, JsonObject, readonly string[], readonly JsonObject[]])[] = [
  ['gemma3', gemma, ['parent', 'grouped-query-2', 'parent'], [{ run: 'drop' }]],
  ['granite', granite, ['parent', 'parent', 'parent'], joining],
  ['phi3', phi, ['parent', 'parent', 'parent'], joining],
]

test.each(families)('a whole search over a %s ends with a child that opens', async (family, fields, own, runs) => {
  const world = await tinyWorld(fields)
  const search = await Search.open(
    world.folder,
    tinySpec({
      space: {
        attention: [{ block: 'grouped-query', kvHeads: [1] }, { block: 'fewer-heads', heads: [2] }, 'no-op'],
        ffn: [{ block: 'swiglu', width: ['50%'], channels: ['contribution', 'iterative'] }, 'no-op'],
        runs,
      },
      target: { scenario: { batch: 2, prefill: 4, generate: 4 }, limits: { parameters: '<= 85%' } },
      stages: brief({ sequences: 4, distill: 2000, uptrain: 6000 }),
    }),
  )
  const result = await search.json<Result>((await search.outputs('report')).files.result)
  expect(result.verdict).toBe('accepted')

  const table = await search.json<CostTable>((await search.outputs('profile')).files.costs)
  expect(own.filter((name) => !table.attention[name])).toEqual([])
  // Blocks learn what the parent's do: with its norms, factors and windows they begin near it and come nearer.
  const library = await search.json<LibraryEntry[]>((await search.outputs('distill')).files.library)
  const trained = library.filter(({ weights, beside }) => weights && beside === 'parent')
  expect(trained.length).toBeGreaterThan(8)
  for (const { id, nmseBefore, nmseAfter } of trained) expect([id, nmseAfter < nmseBefore]).toEqual([id, true])
  const curve = await search.json<CurvePoint[]>((await search.outputs('uptrain')).files.curve)
  expect(curve.at(-1)!.kl).toBeLessThan(curve[0]!.kl!)

  const folder = join(world.folder, 'child')
  mkdirSync(folder)
  for (const [name, ref] of Object.entries((await search.outputs('export')).files))
    copyFileSync(await search.store.path(ref), join(folder, name))
  const child = await openModel(folder, blocks)
  expect(child.config.family).toBe(family)
  const parent = await openModel(world.parent, blocks)
  // What the child descends from; a child whose layers are all alike is a model of the family with sizes of its own.
  const sizes = ({ attention, ffn }: LayerBlocks) =>
    JSON.stringify([attention.block, attention.params.kvHeads, ffn.block, ffn.params.width])
  const childSizes = child.config.blocks.map(sizes)
  const alike = new Set(childSizes).size === 1
  expect(child.config.ownBlocks.map(sizes)).toEqual(alike ? childSizes : parent.config.blocks.map(sizes))
})
