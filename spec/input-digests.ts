import { existsSync } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Failure } from '../errors/failure.js'
import { liesIn } from '../errors/inner-path.js'
import { partName } from '../files/gguf-parts.js'
import { refuseIrregular } from '../files/irregular.js'
import { digestJson, type Digest } from '../store/digest.js'
import { digestFile } from '../store/files.js'
import type { Contents } from './registry.js'

/** Digests of the files of a folder that are read, by name. The folder's own digest is that of this as JSON. */
export type Listing = Readonly<Record<string, Digest>>

/** Listings of folders, by the digests of these. */
export type Listings = ReadonlyMap<Digest, Listing>

/**
 * sha256 of a file; of a folder that of the listing of its files, or of those of them that are read.
 * @param contents  what is read. Default: everything; names that start with a dot are left out
 * @param digest  sha256 of a file. @default reads it
 * @throws Failure where that cannot be told
 */
export async function digestPath(
  path: string,
  contents?: Contents,
  digest = digestFile,
): Promise<{ readonly digest: Digest; readonly listing?: Listing }> {
  const isFile = (await stat(path)).isFile()
  if (isFile && !contents?.ofFile) {
    const parts = (partName(path)?.all ?? []).filter((part) => existsSync(part))
    // A part of a model stands for all of it, whichever is named.
    return { digest: parts.length > 1 ? digestJson(await Promise.all(parts.map(digest))) : await digest(path) }
  }
  const listing: Record<string, Digest> = {}
  for (const name of contents ? await contents.files(path) : await filesBelow(path, '')) {
    const file = join(isFile ? dirname(path) : path, name)
    refuseIrregular(file)
    listing[name] = await digest(file)
  }
  return { digest: digestJson(listing), listing }
}

/** Most files of a folder. */
const mostFiles = 100_000

/** @param open  real paths of the folders that are being listed, each within the one before */
async function filesBelow(folder: string, prefix: string, open: readonly string[] = []): Promise<string[]> {
  const real = await realpath(folder)
  const bad = (message: string) =>
    new Failure('InvalidInput', `${folder} ${message}`, { file: folder, remedy: 'Name the files that are to be read.' })
  if (open.some((outer) => liesIn(outer, real))) throw bad('is a link to a folder that it lies in')
  const paths: string[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (name.startsWith('.')) continue
    const path = join(folder, name)
    const inside = await stat(path) // follows links: checkpoints are often folders of them
    if (inside.isDirectory()) paths.push(...(await filesBelow(path, `${prefix}${name}/`, [...open, real])))
    else if (inside.isFile()) paths.push(prefix + name)
    if (paths.length > mostFiles) throw bad(`has more than ${mostFiles} files`)
  }
  return paths
}
