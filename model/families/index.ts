import type { Family } from '../../plugins/api/index.js'
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

/** The family of a name that a `ModelConfig` has. */
export function familyNamed(name: string): Family {
  const family = builtInFamilies.find((own) => own.name === name)
  if (!family) throw new Error(`Internal error: there is no family ${name}`)
  return family
}
