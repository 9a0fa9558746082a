import { join } from 'node:path'
import type { Store } from '../../store/index.js'
import { AllNews } from './all-news.js'
import { Beat } from './beat.js'
import { LiveView } from './live-view.js'
import type { Watcher } from './sighting.js'

/** How much a command that follows a run says. */
export interface Loudness {
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
}

const silent: Watcher = { looksEvery: Infinity, see: () => undefined, end: () => undefined }

/** Whether stderr is a terminal on which something can be drawn again. */
export const canDraw = (
  { isTTY = false }: { readonly isTTY?: boolean } = process.stderr,
  { CI = '', TERM }: NodeJS.ProcessEnv = process.env,
): boolean => isTTY && TERM !== 'dumb' && (CI === '' || CI === 'false')

/** What tells people about a run, here and with these options. */
export function watcherFor(store: Store, run: string, { json, quiet, verbose }: Loudness): Watcher {
  if (quiet) return silent
  if (verbose) return new AllNews(run, join(store.root, 'logs', 'tasks.log'))
  return canDraw() && !json ? new LiveView(store, run) : new Beat()
}
