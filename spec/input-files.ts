import { createHash } from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { partName } from '../plugins/api/gguf-parts.js'
import { pointerOf } from '../plugins/api/stand-in.js'
import { digestJson, parseDigest, type Digest } from '../store/digest.js'
import { suggest } from './diagnostics.js'
import type { PathKind } from './keywords.js'
import type { Problem } from './site.js'

/** What is wrong with a path that a spec names; undefined when it is there and of the right kind. */
export async function checkPath(path: string, written: string, kind: PathKind): Promise<Problem | undefined> {
  const what = kind === 'path' ? 'file or folder' : kind
  let found
  try {
    found = await stat(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT' && code !== 'ENOTDIR')
      return { code: 'unreadable-file', message: `The ${what} "${written}" cannot be read: ${code}.` }
    return { code: 'missing-file', message: `There is no ${what} "${written}".`, hint: await near(path) }
  }
  if (kind === 'file' && !found.isFile())
    return { code: 'wrong-file', message: `"${written}" is a folder; it must be a file.` }
  if (kind === 'folder' && !found.isDirectory())
    return { code: 'wrong-file', message: `"${written}" is a file; it must be a folder.` }
  const pointer = pointerOf(path)
  return pointer && { code: 'wrong-file', message: `"${written}" ${pointer.what}.`, hint: pointer.remedy }
}

async function near(path: string): Promise<string | undefined> {
  const folder = dirname(path)
  try {
    return suggest(basename(path), await readdir(folder), `${basename(folder)} has`)
  } catch {
    return `the folder ${basename(folder)} does not exist either`
  }
}

/** sha256 of a file, or of the sorted names and digests in a folder; names that start with a dot are left out. */
export async function digestPath(path: string): Promise<Digest> {
  if ((await stat(path)).isFile()) {
    const parts = (partName(path)?.all ?? []).filter((part) => existsSync(part))
    // A part of a model stands for all of it, whichever is named.
    return parts.length > 1 ? digestJson(await Promise.all(parts.map(digestFile))) : digestFile(path)
  }
  const entries: Record<string, Digest> = {}
  for (const name of await filesBelow(path, '')) entries[name] = await digestFile(join(path, name))
  return digestJson(entries)
}

async function digestFile(path: string): Promise<Digest> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return parseDigest(hash.digest('hex'))
}

async function filesBelow(folder: string, prefix: string): Promise<string[]> {
  const found: string[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (name.startsWith('.')) continue
    const path = join(folder, name)
    const inside = await stat(path) // follows links: checkpoints are often folders of them
    if (inside.isDirectory()) found.push(...(await filesBelow(path, `${prefix}${name}/`)))
    else if (inside.isFile()) found.push(prefix + name)
  }
  return found
}
