import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { changesInWords, keepListings } from '../../lineage/input-changes.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import type { Listing } from '../../spec/input-digests.js'
import { digestBytes, digestJson, type Digest } from '../../store/digest.js'
import { FileStore } from '../../store/file-store.js'

const [one, two] = [digestBytes('one'), digestBytes('two')]
const before = { 'config.json': one, 'model.safetensors': one, LICENSE: one }
const after = { 'config.json': two, 'model.safetensors': one, 'tokenizer.json': one }
const listings = new Map<Digest, Listing>([
  [digestJson(before), before],
  [digestJson(after), after],
])
const plan = {
  inputs: { model: '/m', data: { train: { path: '/d/train.jsonl' } } },
  inputDigests: { model: digestJson(after), 'data.train.path': two, 'stages.x.costs': two },
  stages: [{ name: 'x', params: { costs: '/c/costs.json' } }],
} as unknown as FrozenPlan

test.each<[what: string, path: string, before: unknown, after: unknown, kept: boolean, words: string]>([
  [
    'files of a folder',
    'inputs.model',
    digestJson(before),
    digestJson(after),
    true,
    'model: LICENSE removed, config.json changed, tokenizer.json added',
  ],
  [
    'a folder of before that nobody kept',
    'inputs.model',
    digestJson(before),
    digestJson(after),
    false,
    `model "${digestJson(before).slice(0, 12)}" -> "${digestJson(after).slice(0, 12)}"`.replaceAll('"', ''),
  ],
  ['a file', 'inputs.data.train.path', one, two, true, 'data.train.path: train.jsonl changed'],
  ['a file of a stage', 'params.costs', one, two, true, 'stages.x.costs: costs.json changed'],
  ['anything else', 'taskParams.learningRate', 0.1, 0.2, true, 'learningRate 0.1 -> 0.2'],
])('a change of %s is named', async (_, path, was, is, kept, words) => {
  const store = new FileStore(mkdtempSync(join(tmpdir(), 'changes-')))
  if (kept) await keepListings(store, listings)
  const known = new Map([[digestJson(after), after]])
  const found = [{ path, before: was, after: is }]
  expect(await changesInWords(found, 'x', { plan, store, ...(kept ? {} : { listings: known }) })).toEqual([words])
})
