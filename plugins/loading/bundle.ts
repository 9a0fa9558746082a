import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { cacheDirectory } from '../../store/paths.js'
import { digestBytes, parseDigest, type Digest } from '../../store/digest.js'
import type { PlannedPlugin } from '../../spec/frozen-plan.js'
import { Failure } from '../../api/index.js'

/** Folder of a compiled plugin, named after the digest of its code: `plugin.mjs` and what is known of it. */
export const bundleFolder = (digest: Digest): string => join(cacheDirectory(), 'plugins', parseDigest(digest))

export const bundleFile = (digest: Digest): string => join(bundleFolder(digest), 'plugin.mjs')

/** Source map of a compiled plugin. */
export const mapFile = (digest: Digest): string => `${bundleFile(digest)}.map`

/**
 * The path of a compiled plugin whose bytes are those that the plan was made with.
 * @throws Failure when it is not on this machine
 */
export async function verifiedBundle({ name, version, digest }: PlannedPlugin): Promise<string> {
  const file = bundleFile(digest)
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (bytes && digestBytes(bytes) === digest) return file
  const state = bytes ? 'has been changed' : 'is not on this machine'
  throw new Failure('InvalidInput', `The compiled plugin ${name} ${version} ${state}: ${file}`, {
    remedy: 'Run `npx puzzleflow plan SPEC` here, with the plugin allowed: it is then compiled again.',
    file,
  })
}

/** Writes a file of a bundle's folder whole: readers see all of it or nothing. */
export async function writeBundleFile(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`
  await mkdir(dirname(file), { recursive: true })
  try {
    await writeFile(temporary, text)
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
