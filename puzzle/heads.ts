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

/** The heads to choose from, with their scores. One that was not scored is left out, unless it is the only one.
 *  @param scores  by type; absent where nothing was scored */
export function headChoices(
  kinds: HeadKinds | undefined,
  scores: Partial<Readonly<Record<HeadWeights, number>>> = {},
): readonly ChosenHead[] {
  if (!kinds) return [{}]
  const choices = kinds.flatMap((kind): ChosenHead[] => {
    if (kind === 'float32') return [{}]
    const headScore = scores[kind]
    return headScore === undefined ? [] : [{ head: kind, headScore }]
  })
  if (choices.length > 0) return choices
  const only = kinds.find((kind) => kind !== 'float32')
  return [only ? { head: only } : {}]
}

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
