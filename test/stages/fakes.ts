import type { ArtifactRef, Outputs } from '../../api/index.js'
import type { Space } from '../../puzzle/inputs.js'
import type { Model, Scenario } from '../../model/index.js'
import type { Cost, CostTable } from '../../puzzle/costs.js'
import { allVariants, lessons, type DistillParams } from '../../puzzle/curriculum.js'
import { entryId, type LibraryEntry } from '../../puzzle/library.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import type { PairedPasses } from '../../puzzle/speed.js'
import { makeRuns } from '../../plugins/runs/index.js'
import { digestBytes } from '../../store/digest.js'
import type { Search } from './run-stage.js'

/** A reference to an artifact that nobody reads. */
export const fakeRef = (name: string): ArtifactRef => ({ digest: digestBytes(name), bytes: name.length, kind: 'fake' })

/** What `capture` leaves of a model with 3 layers, without having captured anything. */
export function fakeCapture(length = 12, sequences = 30): Outputs {
  const states = ['hidden00', 'mid00', 'hidden01', 'mid01', 'hidden02', 'mid02', 'hidden03', 'tokens']
  const names = [...states, ...states.map((name) => `validate-${name}`), 'statistics']
  return { values: { length, sequences }, files: Object.fromEntries(names.map((name) => [name, fakeRef(name)])) }
}

/** A cost with whole numbers: seconds of the scenario, bytes and parameters. */
export const cost = (seconds: number, memoryBytes = 0, parameters = 0): Cost => ({
  prefillSeconds: seconds / 4,
  decodeSeconds: (3 * seconds) / 4,
  memoryBytes,
  parameters,
})

/**
 * Costs of a scenario of 2 x 4 generated tokens. A parent of 3 layers takes 1 + 3 x (3 + 2) = 16 seconds, that is half a
 * token a second; 100 + 3 x (30 + 20) = 250 bytes; 10 + 3 x (300 + 200) = 1510 parameters.
 */
export const costTable: CostTable = {
  version: 1,
  fingerprint: { processor: 'none' },
  scenario: { batch: 2, prefill: 4, generate: 4 },
  floor: cost(1, 100, 10),
  attention: { parent: cost(3, 30, 300), linear: cost(1, 10, 50), 'no-op': cost(0) },
  ffn: { parent: cost(2, 20, 200), 'swiglu-16': cost(1, 8, 80), 'no-op': cost(0) },
}

/** Scores of a layer: a row for each `slot attention ffn`, with the entries of each where they are not the plain ones. */
export const scoreRow = (
  layer: number,
  slot: ScoreRow['slot'],
  attention: string,
  ffn: string,
  kl: number,
  beside: { readonly attention?: string; readonly ffn?: string } = {},
): ScoreRow => ({
  layer,
  slot,
  attention,
  ffn,
  entries: {
    attention: entryId(layer, 'attention', attention, beside.attention ?? 'parent'),
    ffn: entryId(layer, 'ffn', ffn, beside.ffn ?? 'parent'),
  },
  kl,
  kl_before_distillation: null,
  lossDelta: 0,
  top1: 1,
  nmse: 0,
})

/** Scores of 3 layers of the variants of `costTable`; the later the layer, the less it matters. */
export const scoreRows: readonly ScoreRow[] = [0, 1, 2].flatMap((layer) => {
  const weight = 3 - layer
  return [
    scoreRow(layer, 'attention', 'linear', 'parent', 0.04 * weight),
    scoreRow(layer, 'attention', 'no-op', 'parent', 0.1 * weight),
    scoreRow(layer, 'ffn', 'parent', 'swiglu-16', 0.03 * weight),
    scoreRow(layer, 'ffn', 'parent', 'no-op', 0.07 * weight),
    scoreRow(layer, 'block', 'linear', 'no-op', 0.06 * weight, { attention: 'no-op' }),
    scoreRow(layer, 'block', 'no-op', 'swiglu-16', 0.09 * weight, { ffn: 'no-op' }),
    scoreRow(layer, 'block', 'no-op', 'no-op', 0.3 * weight),
  ]
})

/** The space of `costTable`. */
export const fakeSpace: Space = {
  attention: ['parent', { block: 'linear' }, 'no-op'],
  ffn: ['parent', { block: 'swiglu', width: [16] }, 'no-op'],
}

/** Gives a search made-up outputs of the stages up to `score`: costs, scores, and a library without weights. */
export async function giveScores(search: Search, model: Model, rows = scoreRows, table = costTable): Promise<void> {
  const { store } = search
  const library = fakeLibrary(model, fakeSpace)
  search.give('prepare', { files: { train: fakeRef('train'), validate: fakeRef('validate'), tasks: fakeRef('tasks') } })
  search.give('profile', { files: { costs: await store.putJson('costs', table) } })
  search.give('distill', { files: { library: await store.putJson('library', library) } })
  search.give('depth', {})
  search.give('refine', { values: { evaluations: 0 } })
  search.give('score', {
    values: { composition: 'sum', evidence: { pairs: 0, sum: 0, rss: 0 } },
    files: { scores: await store.putJson('scores', rows) },
  })
}

/** The library that `distill` would make, without weights. */
export function fakeLibrary(model: Model, space: Space, params: Partial<DistillParams> = {}): LibraryEntry[] {
  const whole = { mode: 'decoupled', coupled: [], besideNoOp: 'all', ...params } as DistillParams
  const common = { parameters: 1, nmseBefore: 1, nmseAfter: 0.5 }
  const trained = lessons(model, space, whole, makeRuns()).flatMap(({ layer, train, beside }) =>
    train.map(({ entry: id, ...own }): LibraryEntry => {
      const other = train.find(({ slot }) => slot !== own.slot)?.variant ?? beside
      return { ...own, ...common, id, layer, beside: other, weights: fakeRef(id) }
    }),
  )
  const untrained = allVariants(model, space).flatMap(({ layer, slot, variant: { id, empty, block, params } }) => {
    if (id !== 'parent' && !empty) return []
    const own = { id: entryId(layer, slot, id, 'parent'), layer, slot, variant: id, block, params }
    return [{ ...own, ...common, beside: 'parent', weights: null }]
  })
  return [...trained, ...untrained]
}

/** Times of a model with this throughput, as in `passes`: a quarter is prefill. */
export const timesAt = (
  { batch, generate }: Scenario,
  { predicted, measured }: { readonly predicted: number; readonly measured: number },
) => {
  const both = (of: (seconds: number) => number) => ({
    predicted: of((batch * generate) / predicted),
    measured: of((batch * generate) / measured),
  })
  return { prefill: both((seconds) => seconds / 4), tokenLatency: both((seconds) => (3 * seconds) / 4 / generate) }
}

/** Sixteen passes of a machine without noise; with two speeds in turn if there are two. @param speeds  tokens/s */
export const passes = (
  { batch, generate }: Scenario,
  { parent, child }: { readonly parent: number; readonly child: number | readonly [number, number] },
): PairedPasses => {
  const seconds = (speeds: number | readonly [number, number]) =>
    Array.from({ length: 16 }, (_, i) => (batch * generate) / (typeof speeds === 'number' ? speeds : speeds[i % 2]!))
  const [ofParent, ofChild] = [seconds(parent), seconds(child)]
  const quarter = (own: readonly number[]) => own.map((value) => value / 4)
  const prefill = { parent: quarter(ofParent), child: quarter(ofChild) }
  return { parent: ofParent, child: ofChild, prefill, error: 0.025, sessions: 1 }
}
