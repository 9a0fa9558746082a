import { existsSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { partName } from '../files/gguf-parts.js'
import { refuseIrregular } from '../files/irregular.js'
import { refuseLinkOutside } from '../files/links.js'
import { chatTemplateFiles } from './chat-files.js'
import { ggufOf } from './gguf/read.js'
import { indexFile, shardNames, weightsFile } from './weight-files.js'

/** Files that are copied with a checkpoint, besides config.json, the weights and chat templates. */
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

/** A file of a model's folder that is read in addition to the weights. */
export type ModelFile = 'config.json' | (typeof companions)[number]

/** Largest config.json and generation_config.json that are read: those of 1,000 layers with 100 fields each have 4 MB. */
export const mostConfigBytes = 2 ** 24

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
  const weights = gguf === undefined ? weightFiles(path) : partsOf(gguf)
  const ofFolder: readonly ModelFile[] = gguf === undefined ? ['config.json'] : ['generation_config.json']
  const beside = ofFolder.filter((name) => existsSync(modelFile(path, name)))
  return [...new Set([...beside, ...(gguf === undefined ? companionsOf(path) : []), ...weights])].sort()
}

/**
 * Returns the names of the files in a model's folder that are copied with a checkpoint, chat templates included.
 * @throws Failure InvalidInput for one that is a link out of the folder, or not a file
 */
export function companionsOf(folder: string): readonly string[] {
  const names = [...companions.filter((name) => existsSync(modelFile(folder, name))), ...chatTemplateFiles(folder)]
  for (const name of names) {
    refuseIrregular(join(folder, name))
    refuseLinkOutside(folder, name)
  }
  return names
}

/** Name of a GGUF file, or of those parts of a split one that exist. */
const partsOf = (gguf: string): string[] =>
  (partName(gguf)?.all ?? [gguf]).filter((part) => existsSync(part)).map((part) => basename(part))

/** Name of a folder's only safetensors file, or of the index and the files that it lists. @throws Failure InvalidInput */
function weightFiles(folder: string): readonly string[] {
  if (existsSync(join(folder, weightsFile))) return [weightsFile]
  return [indexFile, ...shardNames(folder)]
}
