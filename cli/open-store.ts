import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { Failure } from '../api/index.js'
import { unexpanded } from '../spec/meant-path.js'
import { openStore as openStoreAt, storeFailure, storeNames, type Store } from '../store/index.js'
import type { Common } from './options.js'
import { readSettings } from './settings.js'
import { typed } from './typed.js'

/** The store that the user names, here, in the environment or in settings files, or the one in the user's state directory.
 *  One that is not there yet is an empty one, made when something is written. @throws Failure InvalidInput, NoServer */
export async function openStore(options: Common): Promise<Store> {
  return (await open(options, false)).store
}

/** The same for commands that only look: nothing is written by it.
 *  @param needsStore  a store that the user names must be there. @throws Failure NoServer */
export async function readStore(options: Common, needsStore = true): Promise<Store> {
  const { store, namedBy } = await open(options, true)
  if (needsStore && namedBy !== undefined && store.location === store.root) requireStore(store.root, namedBy)
  return store
}

async function open(
  { store: flag }: Common,
  onlyRead: boolean,
): Promise<{ store: Store; namedBy: string | undefined }> {
  const settings = readSettings()
  // By way of the environment it reaches the worker and its child processes too.
  if (settings.cacheBytes !== undefined) process.env.PUZZLEFLOW_CACHE_BYTES ??= String(settings.cacheBytes)
  const places = [
    ['--store', flag],
    ['PUZZLEFLOW_STORE', process.env.PUZZLEFLOW_STORE],
    ['store in puzzleflow.config.yaml', settings.store],
  ] as const
  const [namedBy, location] = places.find(([, place]) => place !== undefined) ?? []
  // A shell does not expand `--store=~/x`, and a store would be made in a folder named `~`.
  const meant = location === undefined || existsSync(location) ? undefined : unexpanded(location)
  if (meant) throw new Failure('InvalidInput', meant.message!.replace(/\.$/, ''), { remedy: `${meant.hint}.` })
  const store = await openStoreAt(location, { onlyRead })
  // A store that is not there yet is an empty one, unless it could never be there.
  let existing = store.root
  while (!existsSync(existing)) existing = dirname(existing)
  if (!statSync(existing).isDirectory())
    throw new Failure('NoServer', `No store can be created at ${store.root}: ${existing} is not a folder`, {
      remedy: 'Choose another folder: --store DIR.',
    })
  return { store, namedBy }
}

/** @throws Failure NoServer where a folder is not there, or holds other things */
function requireStore(root: string, namedBy: string): void {
  let names: readonly string[] | undefined
  try {
    names = readdirSync(root)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw storeFailure(error, root)
  }
  if (names?.length === 0 || names?.some((name) => storeNames.includes(name))) return
  throw new Failure(
    'NoServer',
    names ? `${root} is not a store: it holds other things` : `There is no store at ${root}`,
    {
      remedy: `Correct ${namedBy}, or start a search there: ${typed('run', 'SPEC')}.`,
    },
  )
}
