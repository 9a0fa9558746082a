import { uniform } from '../tensor/random.js'
import { median, type Model, type Seconds } from '../model/index.js'
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

/** What the seconds of the parent's blocks, and of the others, are multiplied by. */
type Factors = { readonly parent: number; readonly others: number }

/** As shares of the measured ratio. */
type Residual = { readonly largest: number; readonly rms: number }

/** How much a factor is held to 1: an error of one unit counts as much as this share of the parent's time. */
const hold = 0.03

/**
 * Corrects a table of costs by whole models. One factor for the parent's blocks brings the parent's predicted time to the
 * measured one; one for all other blocks brings the children's nearest to theirs (least squares, held to no correction). Blocks
 * were timed in the parent's place, and what is smaller fits better into caches: the two differ. More factors than that would
 * follow the noise of a few children. Prefill and decoding have factors of their own.
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
      Object.entries(table[slot]).map(([id, cost]) => {
        const whose = isParents(parent, slot, id) ? 'parent' : 'others'
        const prefillSeconds = cost.prefillSeconds * prefill[whose]
        const decodeSeconds = cost.decodeSeconds * decode[whose]
        return [id, { ...cost, prefillSeconds, decodeSeconds }]
      }),
    )
  const corrected: CostTable = { ...table, attention: scaled('attention'), ffn: scaled('ffn') }
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

/** Whether the parent has a variant in a slot. */
const isParents = (parent: Whole['layers'], slot: Slot, id: string): boolean => parent.some((own) => own[slot] === id)

/** No correction. */
const asIs: Factors = { parent: 1, others: 1 }

/** Noise must not make costs vanish. */
const least = 0.5

function fit(table: CostTable, parent: Whole['layers'], wholes: readonly Whole[], kind: keyof Seconds): Factors {
  const scale = median(wholes.map(({ parent }) => parent[kind]))
  const floor = table.floor[kind]
  const blocks = (layers: Whole['layers']) => totalCost(table, layers)[kind] - floor
  const all = blocks(parent)
  if (!(scale > floor) || !(all > 0)) return asIs
  const ofParent = Math.max(least, (scale - floor) / all)
  let [products, squares] = [0, hold ** 2]
  for (const { layers, ...own } of wholes) {
    const kept = slots
      .flatMap((slot) => layers.map((layer) => [slot, layer[slot]] as const))
      .reduce((sum, [slot, id]) => sum + (isParents(parent, slot, id) ? table[slot][id]![kind] : 0), 0)
    const others = (blocks(layers) - kept) / scale
    // A child's time as a share of the parent's beside it: what the machine did differently from session to session cancels.
    const share = own.child[kind] / own.parent[kind]
    const rest = share - (floor + kept * ofParent) / scale
    // Errors count as shares of the child's own time.
    products += (others * (rest - others)) / share ** 2
    squares += (others / share) ** 2
  }
  return { parent: ofParent, others: Math.max(least, 1 + products / squares) }
}
