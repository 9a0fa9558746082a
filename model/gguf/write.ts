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

/** Types in which matrices can be stored. `q8_0`: blocks of 32 8-bit integers with a float16 scale. */
export type GgufType = CheckpointType | 'q8_0'

/** Options of `writeGguf`. */
export interface GgufOptions {
  /** Type of the matrices. @default 'float32' */
  readonly dtype?: GgufType
  /** `text`: with the tokenizer, so that programs accept text; `ids`: token ids only, for a tokenizer that GGUF cannot
   *  represent. @default 'text' if the model has a tokenizer, else 'ids' */
  readonly tokenizer?: 'text' | 'ids'
}

/** What the types are called in a file. */
export const writtenTypes: Readonly<Record<GgufType, WrittenType>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  q8_0: 'Q8_0',
}

/** Name of the GGUF file in a folder that `puzzleflow export` writes. */
export const ggufFile = 'model.gguf'

/**
 * Writes a model as one GGUF file that llama.cpp runs. Memory holds one slot's weights at a time. Vectors are always
 * float32; with `q8_0`, matrices whose rows are not a multiple of 32 are float16. Quantised matrices are written dequantised.
 *
 * @param path  must not exist
 * @returns the size of the file in bytes
 * @throws Failure InvalidInput for a model or tokenizer that GGUF cannot represent; nothing is written then
 */
export async function writeGguf(model: Model, path: string, options: GgufOptions = {}): Promise<number> {
  const { dtype = 'float32' } = options
  const plan = ggufPlan(model)
  const tokenizer = hasTokenizer(model.folder) ? (options.tokenizer ?? 'text') : 'ids'
  const ofTokens = tokenizerKeys(model, tokenizer)
  const keys = new Map([...ggufKeys(model, plan, writtenTypes[dtype], tokensOf(ofTokens)), ...ofTokens])
  if (existsSync(path)) throw taken(path)
  await mkdir(dirname(resolve(path)), { recursive: true })
  return writeGgufFile(path, keys, ggufTensors(model, plan, writtenTypes[dtype]))
}

function tokensOf(keys: ReadonlyMap<string, KeyValue>): readonly string[] {
  const list = keys.get('tokenizer.ggml.tokens')
  return list?.type === 'array' && list.of === 'string' ? list.values : []
}

/** Writes `model.gguf` as `writeGguf` does. @param folder  must not exist, or be empty; it appears complete or not at all */
export const writeGgufFolder = (model: Model, folder: string, options: GgufOptions = {}): Promise<number> =>
  wholeFolder(folder, (temporary) => writeGguf(model, join(temporary, ggufFile), options))
