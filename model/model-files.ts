import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Failure } from '../plugins/api/index.js'
import { chatTemplateFiles } from './chat-files.js'
import { ggufOf } from './gguf/read.js'

/** Files beside config.json, the weights and chat templates that belong to a checkpoint, and go with it where it is written anew. */
export const companions = [
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'added_tokens.json',
  'generation_config.json',
  'LICENSE',
  'LICENSE.md',
  'LICENSE.txt',
  'NOTICE',
] as const

/** A file of a model's folder that is read, beside the weights. */
export type ModelFile = 'config.json' | (typeof companions)[number]

/** Where such a file is. Readers ask here alone, so that what they read is what `modelFiles` names. */
export const modelFile = (folder: string, name: ModelFile): string => join(folder, name)

/**
 * Names of the files that a model is read from: what else lies in its folder changes nothing.
 * @param path  a folder, or a GGUF file, which is all that is read then: []
 * @throws Failure InvalidInput where the weights cannot be told
 */
export function modelFiles(path: string): readonly string[] {
  if (statSync(path).isFile()) return []
  const gguf = ggufOf(path)
  const own: readonly ModelFile[] = gguf === undefined ? ['config.json', ...companions] : ['generation_config.json']
  const weights = gguf === undefined ? weightFiles(path) : [basename(gguf)]
  const beside = own.filter((name) => existsSync(modelFile(path, name)))
  const templates = gguf === undefined ? chatTemplateFiles(path) : []
  return [...new Set([...beside, ...templates, ...weights])].sort()
}

const weightsFile = 'model.safetensors'
const indexFile = 'model.safetensors.index.json'

/** The one safetensors file of a folder, or the index and those that it names. @throws Failure InvalidInput */
export function weightFiles(folder: string): readonly string[] {
  if (existsSync(join(folder, weightsFile))) return [weightsFile]
  return [indexFile, ...shardNames(folder)]
}

/** Names of the files with a folder's weights. @throws Failure InvalidInput */
export function shardNames(folder: string): readonly string[] {
  if (existsSync(join(folder, weightsFile))) return [weightsFile]
  const index = join(folder, indexFile)
  const bad = (file: string, message: string) =>
    new Failure('InvalidInput', `${file} ${message}`, {
      file,
      remedy:
        'The model must be a folder with config.json and model.safetensors, or shards with model.safetensors.index.json.',
    })
  if (!existsSync(index)) throw bad(folder, 'has neither model.safetensors nor model.safetensors.index.json')
  let map: Record<string, unknown>
  try {
    map = (JSON.parse(readFileSync(index, 'utf8')) as { weight_map: Record<string, unknown> }).weight_map
  } catch {
    throw bad(index, 'is not JSON')
  }
  if (typeof map !== 'object' || map === null) throw bad(index, 'has no weight_map')
  const names = [...new Set(Object.values(map))]
  for (const name of names)
    if (typeof name !== 'string' || basename(name) !== name || name.startsWith('.'))
      throw bad(index, `names the file ${JSON.stringify(name)}, which is not in the folder`)
  return names as string[]
}
