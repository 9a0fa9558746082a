import { Matrix, solve } from 'ml-matrix'
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

/** Factors of both times. */
type Corrections = Readonly<Record<'prefill' | 'decode', Factors>>

/** What whole models say of a time: the two factors, and what is common to all models, the machine's. */
interface Fit {
  readonly factors: Factors
  readonly common: number
}

/** As shares of the measured ratio. */
type Residual = { readonly largest: number; readonly rms: number }

/** How much a factor is held to the machine's, where the time of one whole model counts 1: those differ from session to session by 4 %, and sums
 *  of blocks from whole models hardly more. */
const hold = 0.4

/**
 * Corrects a table of costs by whole models: one factor for the parent's blocks and one for all others, by least squares over the
 * parent and the children, held to each other. Blocks were timed in layers that have nothing else, and whole models fit less well
 * into caches. More factors than that would follow the noise of a few children. Prefill and decoding have factors of their own.
 * @param parent  variant ids of the parent
 */
export function calibrate(
  table: CostTable,
  parent: Whole['layers'],
  wholes: readonly Whole[],
): { readonly table: CostTable; readonly calibration: Calibration } {
  const fitted = {
    prefill: fit(table, parent, wholes, 'prefillSeconds'),
    decode: fit(table, parent, wholes, 'decodeSeconds'),
  }
  const before = residual(table, parent, wholes)
  const by = (factors: Corrections) => {
    const own = corrected(table, parent, factors)
    return {
      table: own,
      calibration: { children: wholes.length, ...factors, before, after: residual(own, parent, wholes) },
    }
  }
  const each = by({ prefill: fitted.prefill.factors, decode: fitted.decode.factors })
  if (each.calibration.after.rms < before.rms) return each
  // What was measured beside too much noise says nothing of single blocks, but how fast the machine is.
  const { prefill, decode } = fitted
  return by({ prefill: same(prefill.common), decode: same(decode.common) })
}

/** The table with its factors applied. */
function corrected(table: CostTable, parent: Whole['layers'], { prefill, decode }: Corrections): CostTable {
  const scaled = (slot: Slot): Record<string, Cost> =>
    Object.fromEntries(
      Object.entries(table[slot]).map(([id, cost]) => {
        const whose = isParents(parent, slot, id) ? 'parent' : 'others'
        const prefillSeconds = cost.prefillSeconds * prefill[whose]
        const decodeSeconds = cost.decodeSeconds * decode[whose]
        const scale = runtime(cost) > 0 ? (prefillSeconds + decodeSeconds) / runtime(cost) : 1
        return [
          id,
          { ...cost, prefillSeconds, decodeSeconds, ...(cost.error !== undefined && { error: scale * cost.error }) },
        ]
      }),
    )
  return { ...table, attention: scaled('attention'), ffn: scaled('ffn') }
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

/** All blocks alike. */
const same = (factor: number): Factors => ({ parent: factor, others: factor })

/** No correction. */
const asIs: Fit = { factors: same(1), common: 1 }

/** How much slower than the child the parent must have been in a session for that not to be the machine's doing. */
const alone = 1.2

/** Noise must not make costs vanish. */
const lowest = 0.5

/** A whole model's time: seconds of the parent's blocks and of all others by the table, and what it took. */
interface TimedWhole {
  readonly blocks: readonly [parents: number, others: number]
  readonly seconds: number
  /** How many sessions say so. */
  readonly sessions: number
}

function fit(table: CostTable, parent: Whole['layers'], wholes: readonly Whole[], kind: keyof Seconds): Fit {
  const floor = table.floor[kind]
  const timed = timedWholes(table, parent, wholes, kind)
  // Models that took no time, such as decoding where one token is generated, say nothing.
  if (!timed.every(({ blocks: [own, others], seconds }) => seconds > 0 && floor + own + others > 0)) return asIs
  // What is common to all is the machine's, and nothing holds it to 1: it changes no ratio.
  const common = median(timed.map(({ blocks, seconds }) => seconds / (floor + blocks[0] + blocks[1])))
  // The two factors' distances from it; errors count as shares of a model's own time.
  const equations = timed.map(({ blocks, seconds, sessions }) => {
    const weight = Math.sqrt(sessions)
    const [own, others] = blocks.map((sum) => (common * sum) / seconds) as [number, number]
    return { row: [weight * own, weight * others], rest: weight * (1 - (common * floor) / seconds - own - others) }
  })
  const held = Math.sqrt(hold)
  const rows = [...equations.map(({ row }) => row), [held, 0], [0, held]]
  const rests = [...equations.map(({ rest }) => rest), 0, 0]
  const [parents, others] = solve(new Matrix(rows), Matrix.columnVector(rests)).to1DArray() as [number, number]
  const bounded = (factor: number) => Math.max(lowest, factor)
  const factors = { parent: bounded(common * (1 + parents)), others: bounded(common * (1 + others)) }
  return { factors, common: bounded(common) }
}

/** The parent and the children, without what slowed the machine in single sessions. */
function timedWholes(
  table: CostTable,
  parent: Whole['layers'],
  wholes: readonly Whole[],
  kind: keyof Seconds,
): TimedWhole[] {
  const blocks = (layers: Whole['layers']): TimedWhole['blocks'] => {
    const all = slots.flatMap((slot) => layers.map((layer) => [slot, layer[slot]] as const))
    const sum = (whose: boolean) =>
      all
        .filter(([slot, id]) => isParents(parent, slot, id) === whose)
        .reduce((n, [slot, id]) => n + table[slot][id]![kind], 0)
    return [sum(true), sum(false)]
  }
  // Noise only ever adds.
  const ofParent = Math.min(...wholes.map((own) => own.parent[kind]))
  const slowness = wholes.map(({ layers, child }) => child[kind] / totalCost(table, layers)[kind])
  const least = Math.min(...slowness)
  return [
    { blocks: blocks(parent), seconds: ofParent, sessions: wholes.length },
    ...wholes.map(({ layers, ...own }, i) => {
      // What slowed both was the machine; what slowed the parent alone was a neighbour.
      const [both, childs] = [own.parent[kind] / ofParent, slowness[i]! / least]
      const slower = both > alone * childs ? childs : both
      return { blocks: blocks(layers), seconds: own.child[kind] / slower, sessions: 1 }
    }),
  ]
}
