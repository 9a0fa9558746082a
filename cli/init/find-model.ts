import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../api/index.js'

const remedy = 'Name it: a folder with config.json and safetensors, or a GGUF file.'

/**
 * The model that a user without a word about it means: the only one in a folder, or in the folders directly below.
 * @throws Failure InvalidInput if there is none, or several
 */
export function findModel(folder: string): string {
  const below = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map(({ name }) => join(folder, name))
  const found = [folder, ...below].flatMap((place) =>
    existsSync(join(place, 'config.json')) ? [place] : ggufFiles(place).map((name) => join(place, name)),
  )
  if (found.length === 1) return found[0]!
  if (found.length === 0) throw new Failure('InvalidInput', `There is no model in ${folder}`, { remedy })
  throw new Failure('InvalidInput', `There are several models: ${found.sort().join(', ')}`, { remedy })
}

/** GGUF files of a folder; of one in parts, the first. */
function ggufFiles(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.gguf'))
  return names.filter((name) => !/-\d{5}-of-\d{5}\.gguf$/.test(name) || /-00001-of-\d{5}\.gguf$/.test(name))
}
