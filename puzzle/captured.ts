import type { ArtifactRef, Files } from '../api/index.js'
import { layerNumber } from './layer-name.js'

/** The captured text: `train` for training blocks, `validate` for measuring them. */
export type CapturedText = 'train' | 'validate'

/** Channel contributions by layer name, each [intermediate]. */
export type CapturedStatistics = Readonly<Record<string, readonly number[]>>

/** Artifacts of `capture`, by the names that this module defines. */
export interface CapturedFiles extends Files {
  readonly tokens: ArtifactRef
  readonly statistics: ArtifactRef<CapturedStatistics>
}

const prefix = { train: '', validate: 'validate-' } as const

/** Name of the artifact with the tokens. */
export const tokensName = (text: CapturedText): string => `${prefix[text]}tokens`
/** Name of the hidden states before a layer; for the number of layers, of those after the last one. */
export const hiddenName = (text: CapturedText, layer: number): string => `${prefix[text]}hidden${layerNumber(layer)}`
/** Name of the hidden states between the two slots of a layer. */
export const midName = (text: CapturedText, layer: number): string => `${prefix[text]}mid${layerNumber(layer)}`

/** Returns an artifact of `capture`. @throws Error if it is missing, which is a defect */
export function captured(files: Files, name: string): ArtifactRef {
  const ref = files[name]
  if (!ref) throw new Error(`Internal error: capture left no ${name}`)
  return ref
}
