import { askedWeights, type WeightKind } from '../api/weights.js'
import type { HeadWeights } from '../model/index.js'
import type { CostTable } from './costs.js'
import type { Space } from './inputs.js'
import type { Load, Loads } from './loads.js'

/** Types of the head that the search may choose from; float32 is the parent's own. */
export type HeadKinds = readonly WeightKind[]

/** The types that a space asks for; undefined if it leaves the parent's. */
export const headKinds = ({ head }: Pick<Space, 'head'>): HeadKinds | undefined => head && askedWeights(head)

/** Those that are quantised. */
export const quantisedHeads = (space: Pick<Space, 'head'>): readonly HeadWeights[] =>
  (headKinds(space) ?? []).filter((kind) => kind !== 'float32')

/** A head that was chosen, and what it costs in quality. */
export interface ChosenHead {
  /** Type of the child's head; absent if it is the parent's. */
  readonly head?: HeadWeights
  /** What it loses alone, by the objective of the scores. */
  readonly headScore?: number
}

/** The heads to choose from, before they are scored. */
export const headsOf = (kinds: HeadKinds = ['float32']): readonly ChosenHead[] =>
  kinds.map((kind) => (kind === 'float32' ? {} : { head: kind }))

/** The heads to choose from, with their scores. One that was not scored is left out, unless it is the only one.
 *  @param scores  by type; absent where nothing was scored */
export function headChoices(
  kinds: HeadKinds | undefined,
  scores: Partial<Readonly<Record<HeadWeights, number>>> = {},
): readonly ChosenHead[] {
  const heads = headsOf(kinds)
  const scored = heads.flatMap(({ head }): ChosenHead[] => {
    if (head === undefined) return [{}]
    const headScore = scores[head]
    return headScore === undefined ? [] : [{ head, headScore }]
  })
  return scored.length > 0 ? scored : heads.slice(0, 1)
}

/** What children must bear with each of these heads. */
export const loadsAtEachHead = (
  loads: readonly Loads[],
  heads: readonly ChosenHead[],
): readonly (Loads & ChosenHead)[] =>
  loads.flatMap((own) => heads.map((chosen) => ({ ...loadsWithHead(own, chosen.head), ...chosen })))

/** What children with this head must bear: it changes what they take outside their blocks, beside the same parent. */
export function loadsWithHead({ others, ...first }: Loads, head: HeadWeights | undefined): Loads {
  if (!head) return { ...first, ...(others && { others }) }
  const own = ({ scenario, table, parentTable = table }: Load): Load => ({
    scenario,
    table: withFloor(table, head),
    parentTable,
  })
  return { ...own(first), ...(others && { others: others.map(own) }) }
}

function withFloor(table: CostTable, head: HeadWeights): CostTable {
  const floor = table.heads?.[head]
  if (!floor) throw new Error(`Internal error: no cost of a head in ${head}`)
  return { ...table, floor }
}
