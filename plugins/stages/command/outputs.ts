import { copyFileSync, lstatSync, readdirSync, readFileSync, type Stats } from 'node:fs'
import { extname, join } from 'node:path'
import { Failure, type ArtifactRef, type Environment, type JsonObject, type Outputs } from '../../../api/index.js'
import { entryOf } from '../../../errors/foreign.js'

const mostFiles = 100_000
/** Largest size of values.json. Values are part of records and outputs of stages: large data belongs in a file. */
const mostValueBytes = 2 ** 20

const kinds: Readonly<Record<string, string>> = { '.safetensors': 'tensors', '.json': 'json', '.jsonl': 'json-lines' }

/**
 * Collects the contents of a program's folder `outputs`: `values.json`, and every other file as an artifact named after its
 * path. Only plain files are accepted, since a link could lead anywhere.
 * @throws Failure PluginBug for outputs that break the contract
 */
export async function collectOutputs(context: Pick<Environment, 'putFile'>, folder: string): Promise<Outputs> {
  const left = filesBelow(folder)
  const values = left.has(valuesFile) ? readValues(left.get(valuesFile)!.path) : {}
  left.delete(valuesFile)
  const files: Record<string, ArtifactRef> = {}
  for (const [name, { path, stats }] of [...left].sort(([a], [b]) => (a < b ? -1 : 1)))
    files[name] = await context.putFile(entryOf(kinds, extname(name)) ?? 'file', stats.nlink > 1 ? ownCopy(path) : path)
  return { values, files }
}

const valuesFile = 'values.json'

type Found = Map<string, { readonly path: string; readonly stats: Stats }>

function filesBelow(folder: string, prefix = '', found: Found = new Map()): Found {
  if (!lstatOf(folder)?.isDirectory()) throw broken('removed or replaced its folder `outputs`')
  for (const name of readdirSync(folder)) {
    const path = join(folder, name)
    const stats = lstatSync(path)
    if (stats.isDirectory()) filesBelow(path, `${prefix}${name}/`, found)
    else if (stats.isFile()) found.set(prefix + name, { path, stats })
    else if (stats.isSymbolicLink()) throw broken(`left a link among its outputs: ${prefix}${name}`)
    else throw broken(`left something among its outputs that is not a file: ${prefix}${name}`)
    if (found.size > mostFiles) throw broken(`left more than ${mostFiles} files`)
  }
  return found
}

function lstatOf(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false })
}

function readValues(path: string): JsonObject {
  if (lstatSync(path).size > mostValueBytes) throw broken(`left more than ${mostValueBytes} bytes in values.json`)
  let values: unknown
  try {
    values = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    // For instance, Python writes NaN and Infinity, which are not JSON.
    throw broken(`left a values.json that is not JSON: ${(error as Error).message}`)
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw broken('left a values.json that is not an object')
  return values as JsonObject
}

/** Copies a file that has further hard links, through which others may still write to it. */
function ownCopy(path: string): string {
  const copy = `${path}.copy`
  copyFileSync(path, copy)
  return copy
}

const broken = (what: string) =>
  new Failure('PluginBug', `The program ${what}`, {
    remedy: 'See docs/command-stages.md for what a program may leave.',
  })
