import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../store/index.js'
import { outcomeFolder, placeWhole } from './outcome.js'
import { pageDataOf } from './report-data.js'
import type { RunDocument } from './runs.js'

/** The page about a search or a sweep, as HTML; undefined for other runs. What draws charts is loaded only here.
 *  @throws Failure InvalidInput where a search has no result yet */
export async function reportPageOf(store: Store, document: RunDocument): Promise<string | undefined> {
  const page = await pageDataOf(store, document)
  if (!page) return undefined
  return page.kind === 'search'
    ? (await import('../report/html/page.js')).reportPage(page.data)
    : (await import('../report/html/sweep.js')).sweepPage(page.data)
}

/** Writes a page to `runs/RUN`. @returns its path */
export function placePage(run: string, page: string, name = 'report.html'): string {
  const folder = outcomeFolder(run)
  mkdirSync(folder, { recursive: true })
  placeWhole(folder, name, (path) => writeFileSync(path, page))
  return join(folder, name)
}
