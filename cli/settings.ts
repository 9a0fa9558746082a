import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { Failure, type JsonObject } from '../api/index.js'
import type { AllowEntry } from '../plugins/loading/allowed.js'
import { refuseIrregular } from '../files/irregular.js'
import { readSchema } from '../schemas/read.js'
import { isBad, parseAddress } from '../server/address.js'
import { formatDiagnostic, type Diagnostic } from '../spec/diagnostics.js'
import { readDocument } from '../spec/document.js'
import { unexpanded } from '../spec/meant-path.js'
import { decodeText } from '../spec/spec-text.js'
import { explainTraps } from '../spec/traps.js'
import { checkValue } from '../spec/validate.js'
import { settingsFile, userSettingsFile } from '../store/paths.js'

/** What the settings files say. */
export interface Settings {
  /** A folder, absolute, or `s3://…`. */
  readonly store?: string
  readonly address?: string
  /** The file that sets the address. */
  readonly addressFile?: string
  /** Bound of the local cache in front of a store in S3. */
  readonly cacheBytes?: number
  /** Of the user's file alone. */
  readonly allowPlugins: readonly AllowEntry[]
}

/** Places of settings files, the current folder's and the user's: of two that set the same, the first counts. */
export const settingsPlaces = (folder = process.cwd(), environment = process.env): readonly [string, string] => [
  join(folder, settingsFile),
  userSettingsFile(environment),
]

/**
 * Reads the settings files that are there.
 * @throws Failure with all mistakes in them
 */
export function readSettings(places = settingsPlaces()): Settings {
  const [ofFolder, ofUser] = places
  const isOnlyUsers = existsSync(ofFolder) && existsSync(ofUser) && realpathSync(ofFolder) === realpathSync(ofUser)
  const files = (isOnlyUsers ? [ofUser] : places)
    .filter((file) => existsSync(file))
    .map((file) => ({ ...readFile(file, ofUser), file }))
  const store = files.find((file) => file.store !== undefined)?.store
  const addressed = files.find((file) => file.address !== undefined)
  const cacheBytes = files.find((file) => file.cacheBytes !== undefined)?.cacheBytes
  return {
    ...(store === undefined ? {} : { store }),
    ...(addressed && { address: addressed.address!, addressFile: addressed.file }),
    ...(cacheBytes === undefined ? {} : { cacheBytes }),
    allowPlugins: files.flatMap(({ allowPlugins }) => allowPlugins),
  }
}

/** What is amiss with the address, where it is a text at all. */
function addressMistakes({ map }: ReturnType<typeof readDocument>, { address }: JsonObject): Diagnostic[] {
  if (typeof address !== 'string') return []
  const read = parseAddress(address)
  if (!isBad(read)) return []
  const message = `address: "${address}" ${read.problem}.`
  return [map.diagnose('/address', 'value', { code: 'wrong-value', message, hint: read.remedy })]
}

/** The current folder may be a stranger's: code is allowed by the user's own file, or on the command line. */
function strangersAllowing(document: ReturnType<typeof readDocument>, data: JsonObject, user: string): Diagnostic[] {
  const { file, map } = document
  if (data.allowPlugins === undefined || file === user) return []
  const message =
    'A settings file of the current folder cannot allow plugins: it may have come with somebody else’s files.'
  const hint = `remove it here; if you trust them, write it to ${user} with whole paths, or use --allow-plugin`
  return [map.diagnose('/allowPlugins', 'key', { code: 'not-allowed-here', message, hint })]
}

function readFile(file: string, user: string): Settings {
  refuseIrregular(file)
  const read = decodeText(readFileSync(file), file)
  if ('problem' in read) throw new Failure('InvalidInput', formatDiagnostic(read.problem), { file })
  const document = readDocument(file, read.text)
  // An empty file, or one of comments only, sets nothing.
  if (document.text.replace(/^\s*#.*$/gm, '').trim() === '') return { allowPlugins: [] }
  const { data, findings } = checkValue(readSchema('config'), document.data)
  const mistakes = [
    ...document.diagnostics,
    ...explainTraps(
      document.unreadable ? [] : findings.map((found) => document.map.diagnose(found.at, found.where, found)),
      document,
    ),
    ...addressMistakes(document, data),
    ...strangersAllowing(document, data, user),
  ]
  if (mistakes.length > 0) throw new Failure('InvalidInput', mistakes.map(formatDiagnostic).join('\n'), { file })
  const {
    store,
    address,
    cache,
    allowPlugins = [],
  } = data as {
    store?: string
    address?: string
    cache?: number
    allowPlugins?: readonly string[]
  }
  const folder = dirname(file)
  for (const [key, place] of [
    ['store', store] as const,
    ...allowPlugins.map((name, i) => [`allowPlugins/${i}`, name] as const),
  ]) {
    const meant = place === undefined || existsSync(resolve(folder, place)) ? undefined : unexpanded(place)
    if (!meant) continue
    const diagnostic = document.map.diagnose(`/${key}`, 'value', { code: 'wrong-value', message: '', ...meant })
    throw new Failure('InvalidInput', formatDiagnostic(diagnostic), { file })
  }
  return {
    ...(store === undefined ? {} : { store: store.startsWith('s3://') ? store : resolve(folder, store) }),
    ...(address === undefined ? {} : { address }),
    ...(cache === undefined ? {} : { cacheBytes: cache }),
    allowPlugins: allowPlugins.map((text) => ({ text, folder })),
  }
}
