import { link, lstat, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isInnerPath } from '../errors/inner-path.js'
import { digestBytes, isDigest, type Digest } from './digest.js'
import { digestFile, isAbsent, makeFolder, namesIn, orAbsent, readText, unique, writeWhole } from './files.js'
import { checkpointName } from './layout.js'
import { readJsonText } from './record.js'
import type { Bucket } from './s3-bucket.js'
import type { Signer } from './signer.js'

/** How often a folder that changes is looked at for files of one moment. */
const mostAttempts = 10

/** The files of a checkpoint at one moment: digests of their contents, by path in the folder. */
interface Manifest {
  readonly version: 1
  readonly files: Readonly<Record<string, Digest>>
  /** With a key, the signature of all other fields. */
  readonly signature?: string
}

/**
 * Checkpoints that survive the machine. A stage writes them to a local folder. The bucket keeps a copy of the folder: one
 * object for each file, and a manifest, which is written last, so that a reader always sees a consistent state. A file next to
 * the folder holds the digest of the manifest that the folder last agreed with.
 */
export class S3Checkpoints {
  constructor(
    private readonly bucket: Bucket,
    private readonly root: string,
    private readonly signer?: Signer,
  ) {}

  private folder = (key: Digest) => join(this.root, key)
  private noteOf = (key: Digest) => join(this.root, `${key}.json`)
  private manifestName = (key: Digest) => `${checkpointName(key)}/manifest.json`
  private fileName = (key: Digest, digest: Digest) => `${checkpointName(key)}/${digest}`

  async open(key: Digest): Promise<string> {
    await makeFolder(this.folder(key))
    return this.folder(key)
  }

  /** Fetches the state that another machine has saved. A state that this machine saved is not fetched: the folder is as new, or
   *  newer. */
  async fetch(key: Digest): Promise<void> {
    const text = (await this.bucket.text(this.manifestName(key)))?.text
    if (text === undefined || digestBytes(text) === (await this.noted(key))) return
    const manifest = parseManifest(text)
    if (!manifest || !this.isOurs(key, manifest)) return
    const fresh = join(this.root, `${key}.${unique()}`)
    try {
      await makeFolder(fresh)
      for (const [name, digest] of Object.entries(manifest.files)) {
        const path = join(fresh, name)
        await makeFolder(dirname(path))
        // An incomplete checkpoint is useless: the task continues from this machine's checkpoint, or starts again.
        if ((await this.bucket.download(this.fileName(key, digest), path)) !== digest) return
      }
      await rm(this.folder(key), { recursive: true, force: true })
      await rename(fresh, this.folder(key))
      await this.note(key, digestBytes(text))
    } finally {
      await rm(fresh, { recursive: true, force: true })
    }
  }

  /** Saves the folder's state, unless it has not changed since it was last saved. */
  async save(key: Digest): Promise<void> {
    const before = parseManifest((await this.bucket.text(this.manifestName(key)))?.text)
    const held = join(this.root, `${key}.${unique()}`)
    try {
      const files: Record<string, Digest> = {}
      await makeFolder(held)
      for (const [name, path] of await this.linksAtOnce(key, held)) {
        const digest = await digestFile(path)
        files[name] = digest
        if (!Object.values(before?.files ?? {}).includes(digest))
          await this.bucket.upload(this.fileName(key, digest), path, digest)
      }
      if (Object.keys(files).length === 0) return
      const text = JSON.stringify(this.signed(key, { version: 1, files }))
      await this.bucket.put(this.manifestName(key), text)
      await this.note(key, digestBytes(text))
      const kept = new Set(Object.values(files))
      const old = Object.values(before?.files ?? {}).filter((digest) => !kept.has(digest))
      await this.bucket.removeAll(old.map((digest) => this.fileName(key, digest)))
    } finally {
      await rm(held, { recursive: true, force: true })
    }
  }

  /**
   * Links all files of the folder as they are at one moment: uploading takes long, and the stage goes on. A second link keeps a
   * file, which the stage may replace or remove at any time; if it has done so in between, they are linked again.
   * @returns the links by path in the folder
   */
  private async linksAtOnce(key: Digest, held: string): Promise<[name: string, path: string][]> {
    const folder = this.folder(key)
    for (let attempt = 1; ; attempt++) {
      const names = await filesBelow(folder)
      const into = join(held, String(attempt))
      await makeFolder(into)
      const links: [string, string][] = []
      for (const [i, name] of names.entries()) {
        const path = join(into, String(i))
        if (await linked(join(folder, name), path)) links.push([name, path])
      }
      const isStill = links.length === names.length && names.join('\n') === (await filesBelow(folder)).join('\n')
      if (isStill || attempt === mostAttempts) return links
    }
  }

  async remove(key: Digest): Promise<void> {
    const names = []
    for await (const { name } of this.bucket.list(`${checkpointName(key)}/`)) names.push(name)
    // The manifest goes first: without it, the other objects do not count as a checkpoint.
    if (names.length > 0) await this.bucket.remove(this.manifestName(key))
    await this.bucket.removeAll(names.filter((name) => name !== this.manifestName(key)))
    await rm(this.folder(key), { recursive: true, force: true })
    await rm(this.noteOf(key), { force: true })
  }

  private signed = (key: Digest, manifest: Manifest): Manifest =>
    this.signer ? { ...manifest, signature: this.signer.sign(titleOf(key), manifest) } : manifest
  private isOurs = (key: Digest, { signature, ...manifest }: Manifest): boolean =>
    this.signer?.accepts(titleOf(key), manifest, signature) ?? true

  private noted = async (key: Digest): Promise<unknown> => readJsonText(await readText(this.noteOf(key)))
  private note = (key: Digest, manifest: Digest) =>
    writeWhole(join(this.root, `${key}.${unique()}.tmp`), this.noteOf(key), JSON.stringify(manifest))
}

const titleOf = (key: Digest) => `checkpoint ${key}`

/** Reads a manifest, which anybody may have written who can write to the bucket. */
function parseManifest(text: string | undefined): Manifest | undefined {
  const { version, files, signature } = (readJsonText(text) ?? {}) as Partial<Record<keyof Manifest, unknown>>
  if (version !== 1 || typeof files !== 'object' || files === null) return undefined
  const names = Object.keys(files)
  // A file whose path leads through another file cannot be written.
  const within = new Set(names.flatMap((name) => parentsOf(name)))
  const isSound = names.every((name) => isInnerPath(name) && !within.has(name)) && Object.values(files).every(isDigest)
  const signed = typeof signature === 'string' ? { signature } : {}
  return isSound ? { version, files: files as Manifest['files'], ...signed } : undefined
}

/** `a/b/c` lies in `a/b` and `a`. */
const parentsOf = (name: string): string[] => [...name.matchAll(/\//g)].map(({ index }) => name.slice(0, index))

/** Lists the paths of the files in a folder, except those that are being written. Links are left out: they may lead anywhere, and
 *  in circles. */
async function filesBelow(folder: string, below = ''): Promise<string[]> {
  const paths: string[] = []
  for (const name of (await namesIn(join(folder, below))).sort()) {
    const path = join(below, name)
    const stats = await orAbsent(lstat(join(folder, path)))
    if (stats?.isDirectory()) paths.push(...(await filesBelow(folder, path)))
    else if (stats?.isFile() && !name.endsWith('.tmp')) paths.push(path)
  }
  return paths
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    // The stage has removed it in between, to write it again.
    if (isAbsent(error)) return false
    throw error
  }
}
