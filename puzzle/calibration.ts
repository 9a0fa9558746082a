import { uniform } from '../tensor/random.js'
import type { Model, Seconds } from '../model/index.js'
import type { Space } from './inputs.js'
import { runtime, totalCost, type Cost, type CostTable } from './costs.js'
import { variants, type Variant } from './library.js'
import { slots, type Slot } from '../api/index.js'

/** Variants by layer. */
export type Variants = readonly Readonly<Record<Slot, Variant>>[]

/** Children of random choice, the same for the same seed: of each slot of each layer any variant. */
export function randomChildren(model: Model, space: Space, count: number, seed: number): Variants[] {
  const random = uniform(seed)
  const layers = model.config.blocks.map((_, layer) => ({
    attention: variants(space, 'attention', model, layer),
    ffn: variants(space, 'ffn', model, layer),
  }))
  const any = (all: readonly Variant[]) => all[Math.floor(random() * all.length)]!
  return Array.from({ length: count }, () =>
    layers.map(({ attention, ffn }) => ({ attention: any(attention), ffn: any(ffn) })),
  )
}

/** A child and the parent, timed as wholes in one session. */
export interface Whole {
  /** Variant ids by layer. */
  readonly layers: readonly { readonly attention: string; readonly ffn: string }[]
  readonly parent: Seconds
  readonly child: Seconds
}

/** How the costs of blocks were corrected, and how well they predict whole models. */
export type Calibration = {
  /** Children that were timed. */
  readonly children: number
  readonly prefill: Factors
  readonly decode: Factors
  /** Largest and root mean square error of the predicted ratio of child and parent, before and after. */
  readonly before: Residual
  readonly after: Residual
}

/** What the costs of a slot's blocks are multiplied by, and what is added to the floor, in seconds. */
type Factors = { readonly attention: number; readonly ffn: number; readonly offset: number }

/** As shares of the measured ratio. */
type Residual = { readonly largest: number; readonly rms: number }

/** How much a factor is held to 1: an error of one unit counts as much as this share of the parent's time. */
const hold = 0.03

/**
 * Corrects a table of costs by whole models: a factor for each slot and an offset, for prefill and decoding, that bring the
 * predicted times of the parent and the children nearest to the measured ones (least squares, held to no correction).
 * @param parent  variant ids of the parent
 */
export function calibrate(
  table: CostTable,
  parent: Whole['layers'],
  wholes: readonly Whole[],
): { readonly table: CostTable; readonly calibration: Calibration } {
  const prefill = fit(table, parent, wholes, 'prefillSeconds')
  const decode = fit(table, parent, wholes, 'decodeSeconds')
  const scaled = (slot: Slot): Record<string, Cost> =>
    Object.fromEntries(
      Object.entries(table[slot]).map(([id, cost]) => [
        id,
        {
          ...cost,
          prefillSeconds: cost.prefillSeconds * prefill[slot],
          decodeSeconds: cost.decodeSeconds * decode[slot],
        },
      ]),
    )
  const { floor } = table
  const corrected: CostTable = {
    ...table,
    floor: {
      ...floor,
      prefillSeconds: floor.prefillSeconds + prefill.offset,
      decodeSeconds: floor.decodeSeconds + decode.offset,
    },
    attention: scaled('attention'),
    ffn: scaled('ffn'),
  }
  const [before, after] = [table, corrected].map((own) => residual(own, parent, wholes)) as [Residual, Residual]
  const children = wholes.length
  // What was measured beside too much noise corrects nothing.
  return after.rms < before.rms
    ? { table: corrected, calibration: { children, prefill, decode, before, after } }
    : { table, calibration: { children, prefill: asIs, decode: asIs, before, after: before } }
}

/** Errors of the predicted ratios. */
export function residual(table: CostTable, parent: Whole['layers'], wholes: readonly Whole[]): Residual {
  const own = runtime(totalCost(table, parent))
  const errors = wholes.map((whole) => {
    const measured = runtime(whole.parent) / runtime(whole.child)
    return own / runtime(totalCost(table, whole.layers)) / measured - 1
  })
  const squares = errors.reduce((sum, error) => sum + error ** 2, 0)
  return { largest: Math.max(0, ...errors.map(Math.abs)), rms: Math.sqrt(squares / Math.max(1, errors.length)) }
}

/** No correction. */
const asIs: Factors = { attention: 1, ffn: 1, offset: 0 }

function fit(table: CostTable, parent: Whole['layers'], wholes: readonly Whole[], kind: keyof Seconds): Factors {
  const scale = mean(wholes.map((own) => own.parent[kind]))
  if (!(scale > 0)) return asIs
  const parts = (layers: Whole['layers']) =>
    slots.map((slot) => layers.reduce((sum, own) => sum + table[slot][own[slot]]![kind], 0) / scale)
  // A child's time as a share of the parent's beside it: what the machine did differently from session to session cancels.
  const rows = [
    { layers: parent, seconds: 1 },
    ...wholes.map(({ layers, ...own }) => ({ layers, seconds: own.child[kind] / own.parent[kind] })),
  ].map(({ layers, seconds }) => {
    const [attention, ffn] = parts(layers) as [number, number]
    return { x: [attention, ffn, 1], y: seconds - table.floor[kind] / scale - attention - ffn }
  })
  const free = leastSquares(rows, hold)
  // The floor was measured too: at least half of it stays, and the slots explain the rest.
  const least = -table.floor[kind] / scale / 2
  const [attention, ffn, offset] =
    free[2]! >= least
      ? free
      : [
          ...leastSquares(
            rows.map(({ x, y }) => ({ x: x.slice(0, 2), y: y - least })),
            hold,
          ),
          least,
        ]
  const factors = { attention: 1 + attention!, ffn: 1 + ffn!, offset: offset! * scale }
  // Noise must not make costs negative.
  return factors.attention > 0 && factors.ffn > 0 ? factors : asIs
}

const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length)

/** Ridge regression: the x minimising the sum of (row.x · x - row.y)^2 + (hold x)^2, by Gaussian elimination of the normal equations. */
function leastSquares(rows: readonly { readonly x: readonly number[]; readonly y: number }[], hold: number): number[] {
  const n = rows[0]!.x.length
  const a = Array.from({ length: n }, (_, i) => [
    ...Array.from(
      { length: n },
      (_, j) => rows.reduce((sum, { x }) => sum + x[i]! * x[j]!, 0) + (i === j ? hold ** 2 : 0),
    ),
    rows.reduce((sum, { x, y }) => sum + x[i]! * y, 0),
  ])
  // Symmetric and positive definite: no pivoting is needed.
  for (let i = 0; i < n; i++)
    for (let k = 0; k < n; k++) {
      if (k === i) continue
      const factor = a[k]![i]! / a[i]![i]!
      for (let j = i; j <= n; j++) a[k]![j]! -= factor * a[i]![j]!
    }
  return a.map((row, i) => row[n]! / row[i]!)
}
