import { mkdirSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Failure } from '../api/index.js'
import { unique } from '../store/files.js'
import { stateDirectory } from '../store/paths.js'
import { log } from './output.js'
import { settingsPlaces, type Settings } from './settings.js'

/** A setting that decides where plans and results go. */
interface Destination {
  readonly what: 'store' | 'server'
  readonly value: string
  /** The settings file that names it. */
  readonly file: string
  /** Whether it leads away from this machine. */
  readonly isElsewhere: boolean
  /** How the user names it instead. */
  readonly instead: readonly string[]
}

/**
 * Looks at a destination that a command is about to use. The settings file of the current folder may be a stranger's: a destination
 * on this machine that only it names is told, once; one elsewhere is refused, unless the user's own settings allow the folder.
 * @throws Failure InvalidInput
 */
export function checkDestination({ what, value, file, isElsewhere, instead }: Destination, settings: Settings): void {
  const [ofFolder, ofUser] = settingsPlaces()
  if (file !== ofFolder || settings.allowSettings?.some((folder) => isSame(folder, dirname(file)))) return
  if (isElsewhere)
    throw new Failure(
      'InvalidInput',
      `${file} names the ${what} ${value}, to which plans and results would go, and your own settings do not`,
      {
        file,
        remedy: `If you trust it: ${instead.join(', ')}, or the line \`allowSettings: ['${dirname(file).replaceAll("'", "''")}']\` in ${ofUser}.`,
      },
    )
  if (isNew(`${what} ${file}`, value)) log(`The ${what} is ${value}: ${file} says so.`)
}

function isSame(one: string, two: string): boolean {
  try {
    return realpathSync(one) === realpathSync(two)
  } catch {
    return false
  }
}

/** Notes what was told, in the user's state directory. @returns whether it was not noted before */
function isNew(name: string, value: string): boolean {
  const file = join(stateDirectory(), 'told-settings.json')
  let told: Record<string, unknown> = {}
  try {
    told = { ...(JSON.parse(readFileSync(file, 'utf8')) as object) }
  } catch {
    // Nothing was told, or the file is damaged.
  }
  if (Object.hasOwn(told, name) && told[name] === value) return false
  try {
    mkdirSync(stateDirectory(), { recursive: true, mode: 0o700 })
    const temporary = `${file}.${unique()}.tmp`
    writeFileSync(temporary, JSON.stringify({ ...told, [name]: value }, null, 1), { mode: 0o600 })
    renameSync(temporary, file)
  } catch {
    // Where nothing can be noted, it is told again.
  }
  return true
}
