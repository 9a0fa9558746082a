import type { JsonObject } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import type { SolveOutcome } from '../../puzzle/solve-outcome.js'
import type { FileStore } from '../../store/index.js'
import { openTiny } from '../model/tiny.js'
import { cost, fakeSpace, giveScores } from './fakes.js'
import { Search } from './run-stage.js'
import { tinySpec, type World } from './world.js'

/** Batches of the made-up costs. */
export const batches = [2, 4, 8] as const

/**
 * Costs of 4 generated tokens at a batch: a larger one takes longer, but less for each sequence, and the parent's attention holds
 * 10 bytes of keys and values for each sequence. The parent of 3 layers takes 10 + 9/4 of a second for each sequence: 14.5, 19 and
 * 28 seconds, that is 0.55, 0.84 and 1.14 tokens/s; its memory is 190 bytes and 30 for each sequence: 250, 310 and 430.
 */
export const tableAt = (batch: number): CostTable => ({
  version: 1,
  fingerprint: { processor: 'none' },
  scenario: { batch, prefill: 4, generate: 4 },
  floor: cost(1, 100, 10),
  attention: {
    parent: cost(2 + batch / 2, 10 + 10 * batch, 300),
    linear: cost(1 + batch / 8, 10, 50),
    'no-op': cost(0),
  },
  ffn: { parent: cost(1 + batch / 4, 20, 200), 'swiglu-16': cost(1 / 2 + batch / 8, 8, 80), 'no-op': cost(0) },
})

/** A scenario that leaves the batch to the search. */
export const anyBatch: JsonObject = { batch: [...batches], prefill: 4, generate: 4 }

/** Options of the parent's layers. */
export const parent = Array<string>(3).fill('parent+parent')

/** Seconds, bytes and tokens/s of a model at a batch. @param ids  of options, by layer */
export function uses(batch: number, ids: readonly string[]) {
  const { floor, attention, ffn } = tableAt(batch)
  const seconds = (own: CostTable['floor']) => own.prefillSeconds + own.decodeSeconds
  const sum = (of: (own: CostTable['floor']) => number) =>
    ids.reduce((n, id) => {
      const [a, f] = id.split('+') as [string, string]
      return n + of(attention[a]!) + of(ffn[f]!)
    }, of(floor))
  const time = sum(seconds)
  return { seconds: time, prefill: time / 4, bytes: sum((own) => own.memoryBytes), speed: (4 * batch) / time }
}

const model = await openTiny()

/** Opens a search with made-up costs at each batch, and scores. */
export async function openSearch({ folder }: World, store: FileStore, fields: JsonObject): Promise<Search> {
  const search = await Search.open(folder, tinySpec({ space: { ...fakeSpace }, tasks: null, ...fields }), { store })
  await giveScores(search, model)
  const [first, ...others] = batches.map(tableAt)
  search.give('profile', {
    files: { costs: await store.putJson('costs', first), otherCosts: await store.putJson('costs', others) },
  })
  return search
}

/** What `solve` leaves. */
export const outcomeOf = async (search: Search): Promise<SolveOutcome> =>
  search.json<SolveOutcome>((await search.outputs('solve')).files.solutions)
