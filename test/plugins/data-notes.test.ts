import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../api/index.js'
import { Tokenizer } from '../../model/index.js'
import { dataNotes } from '../../plugins/inspect/data-notes.js'
import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { temporaryFolder } from '../temporary-folder.js'
import { tinyWorld } from '../stages/world.js'

const { parent } = await tinyWorld()

/** What is said of a plan whose training data are documents of token ids. */
async function notes(
  documents: readonly (readonly number[] | null)[],
  sequenceLength: number,
  stages: Record<string, JsonObject>,
) {
  const path = join(temporaryFolder(), 'a.jsonl')
  writeFileSync(path, documents.map((input_ids) => JSON.stringify({ input_ids })).join('\n'))
  const planned = Object.entries({ prepare: { packing: 'documents' }, ...stages }).map(([uses, params]) => ({
    uses,
    params,
  }))
  const data = { train: { path }, sequenceLength }
  return dataNotes({ inputs: { model: parent, data }, stages: planned } as unknown as FrozenPlan)
}
const ten = Array.from({ length: 10 }, () => [1, 5, 6])

test('nothing is said where budgets fit and sequences are full', async () => {
  expect(await notes(ten, 4, { distill: { tokens: 30 }, uptrain: { tokens: 30 } })).toEqual([])
})

test('it is said how often data is gone through, padding not counted', async () => {
  const stages = { capture: { sequences: 5 }, distill: { tokens: 60 }, uptrain: { tokens: 60 } }
  expect(await notes(ten, 4, stages)).toEqual([
    'distill: 60 tokens are about 4.0 passes over the 5 captured sequences (capture.sequences).',
    'uptrain: 60 tokens are about 2.0 passes over the training data.',
  ])
})

test('it is said where more than half is padding, unless documents are packed one after another', async () => {
  expect(await notes(ten, 10, {})).toEqual([
    'prepare: about 70 % of the positions are padding, because documents are shorter than the sequence length of 10 (data.sequenceLength). `stages: { prepare: { packing: continuous } }` packs documents one after another.',
  ])
  expect(await notes(ten, 10, { prepare: { packing: 'continuous' } })).toEqual([])
})

describe('sequences that do not begin as the tokenizer begins texts', () => {
  const quickstart = join(import.meta.dirname, '../../examples/quickstart')
  const folder = temporaryFolder()
  const write = (name: string, records: readonly object[]) => {
    const path = join(folder, name)
    writeFileSync(path, records.map((record) => JSON.stringify(record)).join('\n'))
    return path
  }
  const texts = readFileSync(join(quickstart, 'data/validate.jsonl'), 'utf8')
    .split('\n', 4)
    .map((line) => (JSON.parse(line) as { text: string }).text)
  const of = (path: string, prepare: JsonObject = {}) =>
    dataNotes({
      inputs: { model: join(quickstart, 'parent'), data: { train: { path }, sequenceLength: 64 } },
      stages: [{ uses: 'prepare', params: { packing: 'documents', ...prepare } }],
    } as unknown as FrozenPlan)

  test('they are told with what the parent loses by it, and with what to do', async () => {
    const tokenizer = Tokenizer.open(join(quickstart, 'parent'), Infinity)
    const path = write(
      'ids.jsonl',
      texts.map((text) => ({ input_ids: tokenizer.encode(text, { special: false }) })),
    )
    const [note, ...more] = await of(path)
    expect(more).toEqual([])
    const [, asTheyAre, begun] =
      /^data\.train: sequences do not all begin with the tokens that the tokenizer puts at the beginning of a text\. On 4 of these, the parent’s loss is ([\d.]+) nats per token, and ([\d.]+) with these tokens in front\. Let the documents begin with them \(token 1\)\.$/.exec(
        note!,
      )!
    expect(Number(asTheyAre) - Number(begun)).toBeGreaterThan(0.1)
  })

  test('the parameter that leaves the tokens out is named', async () => {
    const path = write('texts.jsonl', [{ text: texts.join(' ') }])
    const [note] = await of(path, { beginOfText: 'documents' })
    expect(note).toMatch(/Leave out `beginOfText: documents` of `prepare`\.$/)
    expect(await of(path)).toEqual([])
  })

  test('nothing is said where the parent predicts them as well', async () => {
    // Random weights know nothing of beginnings.
    expect(await notes([[4, 5, 6], ...ten], 4, {})).toEqual([])
  })
})

test('records that are left out are counted', async () => {
  expect(await notes([...ten, null, []], 4, {})).toEqual(['data.train: 2 null or empty records are left out.'])
})
