import { existsSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Model } from '../model.js'
import type { CheckpointType } from '../safetensors.js'
import { taken, wholeFolder } from '../whole-folder.js'
import type { WrittenType } from './write-encode.js'
import { writeGgufFile, type KeyValue } from './write-file.js'
import { ggufKeys } from './write-keys.js'
import { ggufPlan } from './write-plan.js'
import { ggufTensors } from './write-tensors.js'
import { hasTokenizer, tokenizerKeys } from './write-tokenizer.js'

/** How numbers of matrices can be stored. `q8_0`: blocks of 32 integers with a float16 scale. */
export type GgufType = CheckpointType | 'q8_0'

export interface GgufOptions {
  /** Default float32. */
  readonly dtype?: GgufType
  /** `text`: tokens, so that programs take text as the model's tokenizer does; `ids`: none but numbers, for a model whose
   *  tokenizer GGUF cannot say. Default: `text` where there is a tokenizer.json. */
  readonly tokenizer?: 'text' | 'ids'
}

const types: Readonly<Record<GgufType, WrittenType>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  q8_0: 'Q8_0',
}

/** The file in a folder that `puzzleflow export` makes. */
export const ggufFile = 'model.gguf'

/**
 * Writes a model as one GGUF file that llama.cpp runs. One slot's weights are held at a time. Vectors are float32 whatever
 * the type; of `q8_0` matrices whose rows are no multiple of 32 are float16. Matrices of integers are written as the numbers
 * that they stand for.
 * @param path  must not exist
 * @returns its bytes
 * @throws Failure InvalidInput, before anything is written, for a model or tokenizer that GGUF cannot say
 */
export async function writeGguf(model: Model, path: string, options: GgufOptions = {}): Promise<number> {
  const { dtype = 'float32' } = options
  const plan = ggufPlan(model)
  const tokenizer = hasTokenizer(model.folder) ? (options.tokenizer ?? 'text') : 'ids'
  const ofTokens = tokenizerKeys(model, tokenizer)
  const keys = new Map([...ggufKeys(model, plan, types[dtype], tokensOf(ofTokens)), ...ofTokens])
  if (existsSync(path)) throw taken(path)
  await mkdir(dirname(resolve(path)), { recursive: true })
  return writeGgufFile(path, keys, ggufTensors(model, plan, types[dtype]))
}

function tokensOf(keys: ReadonlyMap<string, KeyValue>): readonly string[] {
  const list = keys.get('tokenizer.ggml.tokens')
  return list?.type === 'array' && list.of === 'string' ? list.values : []
}

/** The same as `model.gguf` in a folder, which must not exist, or be empty; it appears whole or not at all. */
export const writeGgufFolder = (model: Model, folder: string, options: GgufOptions = {}): Promise<number> =>
  wholeFolder(folder, (temporary) => writeGguf(model, join(temporary, ggufFile), options))
