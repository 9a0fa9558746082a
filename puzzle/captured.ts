import type { ArtifactRef, Files } from '../api/index.js'
import { layerNumber } from './layer-name.js'

/** Text that was captured: what blocks are trained on, and held-out text. */
export type CapturedText = 'train' | 'validate'

/** Channel contributions by layer name, [intermediate] numbers each. */
export type CapturedStatistics = Readonly<Record<string, readonly number[]>>

/** Artifacts of `capture`, by the names that this module makes. */
export interface CapturedFiles extends Files {
  readonly tokens: ArtifactRef
  readonly statistics: ArtifactRef<CapturedStatistics>
}

const prefix = { train: '', validate: 'validate-' } as const

/** Name of the tokens themselves. */
export const tokensName = (text: CapturedText): string => `${prefix[text]}tokens`
/** Name of what enters a layer; behind the last one, what leaves it. */
export const hiddenName = (text: CapturedText, layer: number): string => `${prefix[text]}hidden${layerNumber(layer)}`
/** Name of what stands between the slots of a layer. */
export const midName = (text: CapturedText, layer: number): string => `${prefix[text]}mid${layerNumber(layer)}`

/** An artifact of `capture`. @throws Error when it is missing: a defect */
export function captured(files: Files, name: string): ArtifactRef {
  const ref = files[name]
  if (!ref) throw new Error(`Internal error: capture left no ${name}`)
  return ref
}
