import { access, constants, readdir, readlink, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { nearest, suggest } from './diagnostics.js'
import type { PathKind } from './keywords.js'
import { fromHub, meantPath } from './meant-path.js'
import type { Contents } from './registry.js'
import type { Problem } from './site.js'

const words: Readonly<Record<PathKind, string>> = {
  file: 'file',
  folder: 'folder',
  path: 'file or folder',
  model: 'file or folder',
  tasks: 'folder',
  harness: 'file',
}

/** What is wrong with a path that a spec names; undefined when it is there and of the right kind. */
export async function checkPath(
  path: string,
  written: string,
  kind: PathKind,
  contents?: Contents,
): Promise<Problem | undefined> {
  const noun = words[kind]
  let stats
  try {
    stats = await stat(path)
    await access(path, constants.R_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return missing(path, written, kind)
    return { code: 'unreadable-file', message: `The ${noun} "${written}" cannot be read: ${code}.` }
  }
  const wrong = (message: string, hint?: string): Problem => ({ code: 'wrong-file', message, hint })
  if (!stats.isFile() && !stats.isDirectory()) return wrong(`"${written}" is neither a file nor a folder.`)
  if ((kind === 'file' || kind === 'harness') && !stats.isFile())
    return wrong(`"${written}" is a folder; it must be a file.`, await filesIn(path, written))
  if ((kind === 'folder' || kind === 'tasks') && !stats.isDirectory())
    return wrong(
      `"${written}" is a file; it must be a folder.`,
      kind === 'tasks' && /\.ya?ml$/.test(written)
        ? `for a task of lm-evaluation-harness, write \`tasks: [{ harness: ${written} }]\``
        : undefined,
    )
  return contents?.problem?.(path, written)
}

/** A path that is not there: what was meant, or what is there instead. */
async function missing(path: string, written: string, kind: PathKind): Promise<Problem> {
  const code = 'missing-file'
  const message = `There is no ${words[kind]} "${written}".`
  const meant = meantPath(written, words[kind], kind)
  if (meant) return { code, message, ...meant }
  const link = await readlink(path).catch(() => undefined)
  if (link !== undefined) return { code, message: `"${written}" is a link to "${link}", which does not exist.` }
  return { code, message, hint: await near(path, fromHub(written, kind)) }
}

/** Names like the one that is not there, where the folder around it is; `other` where nothing is like it. */
async function near(path: string, other: string | undefined): Promise<string | undefined> {
  const folder = dirname(path)
  const namesIn = (place: string) => readdir(place).catch(() => undefined)
  const names = await namesIn(folder)
  if (names) {
    const like = suggest(basename(path), names, `${basename(folder)} has`)
    return like?.startsWith('did you mean') ? like : (other ?? like)
  }
  let absent = folder
  while (!(await namesIn(dirname(absent))) && dirname(absent) !== absent) absent = dirname(absent)
  const like = nearest(basename(absent), (await namesIn(dirname(absent))) ?? [])
  if (like === undefined && other !== undefined) return other
  const instead = like === undefined ? '' : `; did you mean "${like}"?`
  return `the folder ${basename(absent)} does not exist either${instead}`
}

/** Files of a folder that stands where a file must. */
async function filesIn(path: string, written: string): Promise<string | undefined> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  const names = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name)
  if (names.length === 0) return undefined
  const base = written.replace(/\/+$/, '')
  const [first, ...more] = names.sort()
  if (more.length === 0) return `did you mean "${base}/${first}"?`
  return `it has ${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
}
