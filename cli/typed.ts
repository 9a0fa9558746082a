import { accessSync, constants, realpathSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join, relative } from 'node:path'
import { packageRoot } from '../store/paths.js'

/** Options of this command that the next one needs too. */
interface Given {
  readonly store?: string
  readonly address?: string
}

let given: Given = {}

/** Notes the options of the command that runs: hints repeat them. */
export const noteGiven = ({ store, address }: Given): void => {
  given = { ...(store !== undefined && { store }), ...(address !== undefined && { address }) }
}

/** A command as this user can type it: `puzzleflow` by the name that leads to it here, and options that name the same store
 *  and server as those given now. Words in capitals stand for what the user has to fill in. */
export function typed(...words: readonly string[]): string {
  const { store, address } = given
  const options = [
    ...(store === undefined ? [] : ['--store', store]),
    ...(address === undefined ? [] : ['--address', address]),
  ]
  return [programName(), ...[...words, ...options].map(quoted)].join(' ')
}

/** By what name this program is started again from the current folder. */
export function programName(
  environment: NodeJS.ProcessEnv = process.env,
  main = process.argv[1] ?? '',
  folder = process.cwd(),
): string {
  // npm puts folders on PATH that are not on the PATH of the user's shell.
  if (environment.npm_command !== undefined) return 'npx puzzleflow'
  const leadsHere = (file: string) => isProgram(file) && realpathSync(file) === orSame(main)
  const path = (environment.PATH ?? '').split(delimiter).filter(isAbsolute)
  if (path.some((bin) => leadsHere(join(bin, 'puzzleflow')))) return 'puzzleflow'
  if (
    isWithin(folder, packageRoot()) ||
    above(folder).some((parent) => leadsHere(join(parent, 'node_modules/.bin/puzzleflow')))
  )
    return 'npx puzzleflow'
  return `node ${quoted(isWithin(main, folder) ? relative(folder, main) : main)}`
}

const isWithin = (path: string, folder: string): boolean => {
  const between = relative(orSame(folder), orSame(path))
  return between === '' || !(between.startsWith('..') || isAbsolute(between))
}

/** A folder and those above it. */
function above(folder: string): string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...above(parent)]
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function orSame(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** A word as a shell reads it whole. */
const quoted = (word: string): string =>
  /^[\w@%+=:,./-][\w@%+=:,./~-]*$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
