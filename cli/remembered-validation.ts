import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Diagnostic } from '../spec/diagnostics.js'
import { stampNow } from '../store/files.js'
import { cacheDirectory, packageRoot } from '../store/paths.js'

/** What is said of a spec. */
export interface Validation {
  readonly diagnostics: readonly Diagnostic[]
  readonly notes: readonly string[]
  /** Absent when there are mistakes. */
  readonly plan?: { readonly digest: string; readonly stages: number }
}

/** @property read  paths whose contents all of it depends on, besides the spec; absent if it depends on something else */
export interface Checked {
  readonly found: Validation
  readonly read?: readonly string[]
}

interface Kept {
  /** States of all that was read, by path. */
  readonly stamps: Readonly<Record<string, string>>
  readonly found: Validation
}

/** Milliseconds within which a file system may give two changes the same time. */
const tick = 20
/** Specs that are remembered. */
const mostKept = 200

/**
 * What is said of a valid spec, from the last time if nothing that it depends on has changed: the spec, the files that it names,
 * puzzleflow's own code. Editors and scripts ask again and again, and a model takes a second to open.
 */
export async function rememberedValidation(
  file: string,
  overrides: readonly string[],
  check: () => Promise<Checked>,
): Promise<Validation> {
  const began = Date.now()
  const code = stampOfCode()
  // Messages name the file as it was given.
  const place = placeOf([code, process.cwd(), file, ...overrides])
  const known = readKept(place)
  if (known && Object.entries(known.stamps).every(([path, stamp]) => stampNow(path) === stamp)) return known.found
  const { found, read } = await check()
  if (found.plan && read) keep(place, found, [resolve(file), ...read], began)
  return found
}

function keep(place: string, found: Validation, paths: readonly string[], began: number): void {
  const stamps: Record<string, string> = {}
  for (const path of paths) {
    const stats = statSync(path, { throwIfNoEntry: false })
    // It may have been read before it changed; a pipe is another one each time.
    if (!stats || stats.ctimeMs > began - tick || !(stats.isFile() || stats.isDirectory())) return
    stamps[path] = stampNow(path)!
  }
  try {
    mkdirSync(dirname(place), { recursive: true, mode: 0o700 })
    const temporary = `${place}.${process.pid}.tmp`
    writeFileSync(temporary, JSON.stringify({ stamps, found } satisfies Kept), { mode: 0o600 })
    renameSync(temporary, place)
    forgetOldest(dirname(place))
  } catch {
    // It is checked again the next time.
  }
}

function forgetOldest(folder: string): void {
  const names = readdirSync(folder)
  if (names.length <= mostKept) return
  const times = names.map((name) => ({
    name,
    at: statSync(join(folder, name), { throwIfNoEntry: false })?.mtimeMs ?? 0,
  }))
  for (const { name } of times.sort((a, b) => a.at - b.at).slice(0, names.length - mostKept))
    rmSync(join(folder, name), { force: true })
}

function readKept(place: string): Kept | undefined {
  try {
    return JSON.parse(readFileSync(place, 'utf8')) as Kept
  } catch {
    return undefined
  }
}

const placeOf = (parts: readonly string[]): string =>
  join(cacheDirectory(), 'validated', `${createHash('sha256').update(JSON.stringify(parts)).digest('hex')}.json`)

/** Changes whenever the code or a schema of puzzleflow does. */
function stampOfCode(): string {
  const hash = createHash('sha256')
  const root = fileURLToPath(new URL('..', import.meta.url))
  const folders = [
    ...readdirSync(root, { withFileTypes: true })
      .filter((own) => own.isDirectory() && rooms.has(own.name))
      .map(({ name }) => join(root, name)),
    join(packageRoot(), 'schemas'),
    join(packageRoot(), 'plugins', 'pipelines'),
  ]
  for (const folder of folders)
    for (const name of readdirSync(folder, { recursive: true }) as string[])
      if (/\.(js|ts|json|yaml)$/.test(name) && !name.endsWith('.d.ts'))
        hash.update(`${name} ${stampNow(join(folder, name))}\n`)
  return hash.digest('hex')
}

/** Folders of the code that checks specs. */
const rooms = new Set([
  ...['api', 'cli', 'data', 'errors', 'files', 'model', 'plugins', 'puzzle', 'schemas', 'spec', 'store', 'tensor'],
])
