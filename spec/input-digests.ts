import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { partName } from '../files/gguf-parts.js'
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
 * @param digestOf  sha256 of a file. @default reads it
 * @throws Failure where that cannot be told
 */
export async function digestPath(
  path: string,
  contents?: Contents,
  digestOf = digestFile,
): Promise<{ readonly digest: Digest; readonly listing?: Listing }> {
  const isFile = (await stat(path)).isFile()
  if (isFile && !contents?.ofFile) {
    const parts = (partName(path)?.all ?? []).filter((part) => existsSync(part))
    // A part of a model stands for all of it, whichever is named.
    return { digest: parts.length > 1 ? digestJson(await Promise.all(parts.map(digestOf))) : await digestOf(path) }
  }
  const listing: Record<string, Digest> = {}
  for (const name of contents ? await contents.files(path) : await filesBelow(path, ''))
    listing[name] = await digestOf(join(isFile ? dirname(path) : path, name))
  return { digest: digestJson(listing), listing }
}

async function filesBelow(folder: string, prefix: string): Promise<string[]> {
  const paths: string[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (name.startsWith('.')) continue
    const path = join(folder, name)
    const inside = await stat(path) // follows links: checkpoints are often folders of them
    if (inside.isDirectory()) paths.push(...(await filesBelow(path, `${prefix}${name}/`)))
    else if (inside.isFile()) paths.push(prefix + name)
  }
  return paths
}
