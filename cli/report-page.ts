import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../store/index.js'
import { outcomeFolder, placeWhole } from './outcome.js'
import { reportDataOf } from './report-data.js'
import type { RunDocument } from './runs.js'

/** The page about a search, as HTML; undefined for other runs. What draws charts is loaded only here.
 *  @throws Failure InvalidInput where the run has no result yet */
export async function reportPageOf(store: Store, document: RunDocument): Promise<string | undefined> {
  const data = await reportDataOf(store, document)
  return data && (await import('../report/html/page.js')).reportPage(data)
}

/** Writes a page to `runs/RUN/report.html`. @returns its path */
export function placePage(run: string, page: string): string {
  const folder = outcomeFolder(run)
  mkdirSync(folder, { recursive: true })
  placeWhole(folder, 'report.html', (path) => writeFileSync(path, page))
  return join(folder, 'report.html')
}
