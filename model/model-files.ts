import { existsSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { partName } from '../files/gguf-parts.js'
import { chatTemplateFiles } from './chat-files.js'
import { ggufOf } from './gguf/read.js'
import { indexFile, shardNames, weightsFile } from './weight-files.js'

/** Files that belong to a checkpoint beside config.json, the weights and chat templates, and are copied with it. */
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

/** A file of a model's folder that is read beside the weights. */
export type ModelFile = 'config.json' | (typeof companions)[number]

/** Returns the path of such a file. All readers ask here, so that they read only what `modelFiles` names. */
export const modelFile = (folder: string, name: ModelFile): string => join(folder, name)

/**
 * Returns the names of the files that a model is read from; other files in its folder change nothing.
 *
 * @param path  a folder, or a GGUF file, for which the list is empty
 * @throws Failure InvalidInput if it is not clear which files hold the weights
 */
export function modelFiles(path: string): readonly string[] {
  if (statSync(path).isFile()) return []
  const gguf = ggufOf(path)
  const companionNames: readonly ModelFile[] =
    gguf === undefined ? ['config.json', ...companions] : ['generation_config.json']
  const weights = gguf === undefined ? weightFiles(path) : partsOf(gguf)
  const beside = companionNames.filter((name) => existsSync(modelFile(path, name)))
  const templates = gguf === undefined ? chatTemplateFiles(path) : []
  return [...new Set([...beside, ...templates, ...weights])].sort()
}

/** Names of a GGUF file, or of all parts of a split one that are there. */
const partsOf = (gguf: string): string[] =>
  (partName(gguf)?.all ?? [gguf]).filter((part) => existsSync(part)).map((part) => basename(part))

/** The one safetensors file of a folder, or the index and those that it names. @throws Failure InvalidInput */
function weightFiles(folder: string): readonly string[] {
  if (existsSync(join(folder, weightsFile))) return [weightsFile]
  return [indexFile, ...shardNames(folder)]
}
