import { writing } from '../model/index.js'
import type { SearchProgress } from '../workflows/types.js'
import { exitCodes } from './exit-codes.js'
import { follow } from './follow.js'
import { headline } from './headline.js'
import type { Common } from './options.js'
import { notAccepted, outcomeFolder, resultOf, writeOutcome } from './outcome.js'
import { colours, log, printJson, tell } from './output.js'
import { watcherFor, type Loudness } from './progress/watcher.js'
import { placePage, reportPageOf } from './report-page.js'
import type { RunDocument } from './runs.js'
import { setAside } from './set-aside.js'
import type { StartedSearch } from './start-search.js'
import { typed } from './typed.js'
import { pageOfRuns } from './ui-pages.js'
import { findServer } from './with-server.js'

/**
 * Says that a search has started, follows it to its end, and writes what has come of it to `runs/RUN/`. Ctrl-C ends the command,
 * not the search.
 * @param onProgress  is told where the search stands, about once a second
 * @returns undefined with `--detach`, at once
 */
export async function followSearch(
  { name, plan, store, info, started, link }: StartedSearch,
  options: Common & Loudness & { readonly detach?: boolean },
  onProgress?: (progress: SearchProgress) => Promise<void>,
): Promise<RunDocument | undefined> {
  log(`${started ? 'Started' : 'Continuing'} run ${colours.bold(name)}${link ? `: ${link}` : ''}`)
  if (options.detach) {
    if (options.json) printJson({ run: name, specDigest: plan.digest, started, ui: link })
    return undefined
  }
  process.once('SIGINT', () => {
    log(
      `\nThe run continues without this command. See it with \`${typed('status', name)}\`; repeat the command to follow it again.`,
    )
    process.exit(exitCodes.Cancelled)
  })
  const server = async () => (await findServer(options)).address
  const document = await follow(store, name, info.address, server, {
    watcher: watcherFor(store, name, options),
    onProgress,
  }).catch((error: unknown) => {
    const aside = setAside(outcomeFolder(name))
    if (aside !== undefined) tell(`The result of an earlier attempt is now in ${aside}.`)
    throw error
  })
  const outcome = await writing(outcomeFolder(document.run), () => writeOutcome(store, document))
  if (outcome.aside !== undefined) log(`The result of another spec of this name is now in ${outcome.aside}.`)
  const page = await reportPageOf(store, document)
  const report = page === undefined ? outcome.report : await writing(outcome.folder, () => placePage(name, page))
  const result = await resultOf(store, document)
  if (options.json) printJson(result)
  const missed = notAccepted(document)
  if (missed) tell(colours.yellow(missed))
  const figures = options.json ? undefined : headline(result)
  if (figures !== undefined) tell(`${figures} All figures: ${typed('result', name)}`)
  if (!options.json) tell(`${missed ? 'What was found instead' : 'Done'}: ${outcome.folder}`)
  if (report) tell(`Report: ${report}`)
  if (link) log(`Temporal UI: ${link}`)
  if (info.uiAddress) log(`All runs: ${pageOfRuns(info.uiAddress)}`)
  return document
}
