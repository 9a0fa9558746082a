import { createHash } from 'node:crypto'
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { digestJson, parseDigest, type Digest } from '../../../store/digest.js'
import { unique } from '../../../store/files.js'
import { cacheDirectory } from '../../../store/paths.js'
import { Failure } from '../../../api/index.js'
import { liesIn } from '../../../errors/inner-path.js'

/** A file of a program. */
export type SourceFile = {
  /** Path relative to the spec's folder, and also to a task's working folder. */
  readonly path: string
  readonly digest: Digest
  readonly executable: boolean
}

/** A command and its files, with a digest of both. */
export interface FrozenProgram {
  readonly digest: Digest
  readonly sources: readonly SourceFile[]
}

/** Folder of the copy of a program that the user has allowed, named after its digest. */
const programFolder = (digest: Digest) => join(cacheDirectory(), 'programs', parseDigest(digest))

/** Largest total size of the sources. They are code; anything larger is data, and belongs in `files`. */
const mostBytes = 256 * 2 ** 20

/**
 * Copies a program to this machine's cache, from which tasks run it. Thus exactly the program in the key is run, even if the
 * sources change, and the cache contains only programs that the user of this machine has allowed.
 * @param sources  paths of files and folders; names that begin with a dot, and Python's caches, are left out
 * @throws Failure InvalidInput for a source that is outside the folder, missing or too large
 */
export function freezeProgram(
  command: readonly string[],
  sources: readonly { readonly written: string; readonly folder: string }[],
): FrozenProgram {
  const fileOf = new Map<string, string>()
  for (const { written, folder } of sources) for (const file of filesOf(written, folder)) fileOf.set(...file)
  const bytes = [...fileOf.values()].reduce((n, file) => n + statSync(file).size, 0)
  if (bytes > mostBytes)
    throw new Failure(
      'InvalidInput',
      `The sources take ${Math.round(bytes / 2 ** 20)} MiB; the limit is ${mostBytes / 2 ** 20} MiB`,
      {
        remedy: 'Sources are code: list data under `files:` instead.',
      },
    )
  const files = [...fileOf].sort(([a], [b]) => (a < b ? -1 : 1))
  const listed = files.map(([path, file]) => ({ path, digest: digestOf(file), executable: isExecutable(file) }))
  const digest = digestOfProgram(command, listed)
  const folder = programFolder(digest)
  if (existsSync(folder)) {
    if (isWhole(folder, listed)) return { digest, sources: listed }
    rmSync(folder, { recursive: true, force: true })
  }
  const temporary = `${folder}.${unique()}.tmp`
  mkdirSync(temporary, { recursive: true })
  try {
    for (const [path, file] of files) copyFile(file, join(temporary, path))
    writeFileSync(join(temporary, commandFile), JSON.stringify(command))
    if (!isWhole(temporary, listed)) throw new Failure('InvalidInput', 'The sources changed while they were being read')
    renameSync(temporary, folder)
  } catch (error) {
    // Another process may have copied it first.
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(temporary, { recursive: true, force: true })
  }
  return { digest, sources: listed }
}

const digestOfProgram = (command: readonly string[], sources: readonly SourceFile[]): Digest =>
  digestJson({ command, sources: sources.map(({ path, digest, executable }) => ({ path, digest, executable })) })

/** Names in a task's working folder besides the program. */
export const reservedNames = ['task.json', 'inputs', 'outputs', 'checkpoint']

/** Name of the file with the command. It begins with a dot, which no source does. */
const commandFile = '.command.json'

/** Copies the files of a program into a task's working folder. A plan may come from anywhere, so its description of the program
 *  must match the digest.
 *  @throws Failure InvalidInput if nobody has allowed the program on this machine */
export function placeProgram(command: readonly string[], { digest, sources }: FrozenProgram, folder: string): void {
  const from = programFolder(digest)
  if (digestOfProgram(command, sources) !== digest || !existsSync(join(from, commandFile)) || !isWhole(from, sources))
    throw new Failure(
      'InvalidInput',
      `The program ${digest.slice(0, 12)} of the command is not allowed on this machine`,
      {
        remedy: 'Run `npx puzzleflow plan SPEC --allow-plugin FOLDER` here, where FOLDER is the folder of the spec.',
      },
    )
  for (const { path } of sources) copyFile(join(from, path), join(folder, path))
}

function copyFile(from: string, to: string): void {
  mkdirSync(dirname(to), { recursive: true })
  copyFileSync(from, to)
  // The mode must not depend on this process's umask.
  chmodSync(to, isExecutable(from) ? 0o755 : 0o644)
}

const isExecutable = (file: string) => (statSync(file).mode & 0o100) !== 0
const digestOf = (file: string) => parseDigest(createHash('sha256').update(readFileSync(file)).digest('hex'))

const isWhole = (folder: string, sources: readonly SourceFile[]) =>
  sources.every(({ path, digest }) => existsSync(join(folder, path)) && digestOf(join(folder, path)) === digest)

/** Lists the files of a source: the path relative to the folder, and the full path of each. */
function filesOf(written: string, folder: string): (readonly [string, string])[] {
  const root = realpathSync(folder)
  const inside = (path: string) => {
    const real = realpathSync(path)
    const [first = ''] = relative(folder, path).split(sep)
    if (reservedNames.includes(first))
      throw new Failure(
        'InvalidInput',
        `The source "${written}" has a name that is reserved in the working folder of a task`,
        {
          remedy: `Choose a name other than ${reservedNames.join(', ')}.`,
        },
      )
    if (liesIn(real, root) && first !== '..') return real
    throw new Failure('InvalidInput', `The source "${written}" lies outside the spec’s folder`, {
      remedy: 'Put the files of the program next to the spec.',
    })
  }
  const bad = (path: string, message: string) =>
    new Failure('InvalidInput', `The source "${relative(folder, path)}" ${message}`, {
      remedy: 'Sources are files and folders of the program.',
    })
  const walk = (path: string, open: readonly string[] = []): (readonly [string, string])[] => {
    const real = inside(path)
    const stats = statSync(real)
    if (stats.isFile()) return [[relative(folder, path).replaceAll(sep, '/'), real]]
    if (!stats.isDirectory()) throw bad(path, 'is neither a file nor a folder')
    if (open.some((outer) => liesIn(outer, real))) throw bad(path, 'is a link to a folder that it lies in')
    const names = readdirSync(path).filter((name) => !name.startsWith('.') && name !== '__pycache__')
    return names.flatMap((name) => walk(join(path, name), [...open, real]))
  }
  return walk(resolve(folder, written))
}
