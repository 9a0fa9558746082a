import type { Blocks, Family } from '../../api/index.js'
import type { ModelConfig } from '../config.js'
import { decilm } from './decilm.js'
import { gemma2 } from './gemma2.js'
import { gemma3 } from './gemma3.js'
import { granite } from './granite.js'
import { llama } from './llama.js'
import { mistral } from './mistral.js'
import { phi3 } from './phi3.js'
import { qwen2 } from './qwen2.js'
import { qwen3 } from './qwen3.js'
import { smollm3 } from './smollm3.js'

/** The families that come with puzzleflow. */
export const builtInFamilies: readonly Family[] = [
  llama,
  mistral,
  qwen2,
  qwen3,
  smollm3,
  phi3,
  granite,
  gemma2,
  gemma3,
  decilm,
]

/** All supported families: those that come with puzzleflow, and those of plugins. */
export const familiesOf = ({ families = [] }: Pick<Blocks, 'families'>): readonly Family[] => [
  ...builtInFamilies,
  ...families,
]

/** Returns the family of a model. @throws Error for a family that neither puzzleflow nor a plugin has */
export function familyOf({ family: name }: Pick<ModelConfig, 'family'>, blocks: Pick<Blocks, 'families'>): Family {
  const family = familiesOf(blocks).find((own) => own.name === name)
  if (!family) throw new Error(`Internal error: there is no family ${name}`)
  return family
}
