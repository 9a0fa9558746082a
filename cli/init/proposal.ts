import type { Model } from '../../model/index.js'
import type { JsonObject } from '../../api/index.js'

/** Entries of a spec's space. */
export type ProposedSpace = Readonly<Record<'attention' | 'ffn', readonly (string | JsonObject)[]>>

/**
 * Candidates for the blocks of a parent: fewer key/value heads, narrower FFNs, cheap attention, nothing.
 * @param small  only the few that search time is best spent on
 */
export function proposedSpace({ config }: Pick<Model, 'config'>, small: boolean): ProposedSpace {
  const has = (slot: 'attention' | 'ffn', block: string) => config.ownBlocks.some((own) => own[slot].block === block)
  const { kvHeads } = config
  const fewer = [2, 4].map((share) => kvHeads / share).filter((n) => n >= 1 && Number.isInteger(n))
  const grouped = has('attention', 'grouped-query') && fewer.length > 0
  const attention = [
    'parent',
    ...(grouped && !small ? [{ block: 'grouped-query', kvHeads: fewer }] : []),
    ...(small ? [] : ['linear']),
    'no-op',
  ]
  const ffn = [
    'parent',
    has('ffn', 'swiglu')
      ? { block: 'swiglu', width: small ? ['50%'] : ['75%', '50%', '25%'] }
      : { block: 'low-rank', rank: small ? ['25%'] : ['50%', '25%'] },
    'no-op',
  ]
  return { attention, ffn }
}

/** The load that a child is made for. */
export interface ProposedScenario {
  readonly batch: number
  readonly prefill: number
  readonly generate: number
}

/** A usual load, within the positions that the model has. */
export function proposedScenario(
  { config: { maxPositions } }: Pick<Model, 'config'>,
  wanted: Partial<ProposedScenario>,
): ProposedScenario {
  const { batch = 1, prefill = Math.min(512, maxPositions >> 1) } = wanted
  const { generate = Math.max(1, Math.min(128, (maxPositions - prefill) >> 1)) } = wanted
  return { batch, prefill, generate }
}
