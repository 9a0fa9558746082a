import type { Command } from 'commander'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '../../api/index.js'
import { writing } from '../../model/index.js'
import type { Store } from '../../store/index.js'
import { action } from '../action.js'
import { comparedRuns } from '../compared-runs.js'
import { latest } from '../latest.js'
import { readStore } from '../open-store.js'
import { portNumber } from '../option-values.js'
import { common, type Common } from '../options.js'
import { outcomeFolder } from '../outcome.js'
import { print, printJson } from '../output.js'
import { placePage, reportPageOf } from '../report-page.js'
import { watchReport } from '../watch-report.js'

interface ReportOptions extends Common {
  readonly output?: string
  readonly watch?: boolean
  readonly port?: number
}

/** The page about a run, or about several side by side. */
export function reportCommand(program: Command): void {
  common(
    program
      .command('report')
      .argument('<run>')
      .argument('[others...]', 'runs to compare it with')
      .description('write the page about a search or a sweep, or a comparison: one HTML file with its charts'),
  )
    .option(
      '-o, --output <file>',
      'where to write it (default: runs/RUN/report.html; for a comparison, comparison.html)',
    )
    .option('--watch', 'serve the page on loopback during the run, and write it at the end')
    .option('--port <n>', 'port to serve it on (default: any that is free)', portNumber)
    .action(
      action(async (run: string, others: readonly string[], options: ReportOptions) => {
        const store = await readStore(options)
        if (options.watch) return watch(store, run, others, options)
        const page =
          others.length === 0
            ? await pageOf(store, run, options)
            : await pageOfSeveral(store, [run, ...others], options)
        const { output } = options
        const report = await writing(output ?? outcomeFolder(run), () => {
          if (output === undefined) return placePage(run, page, others.length === 0 ? 'report.html' : 'comparison.html')
          writeFileSync(output, page)
          return resolve(output)
        })
        if (options.json) printJson({ report })
        else print(report)
      }),
    )
}

async function watch(store: Store, run: string, others: readonly string[], options: ReportOptions): Promise<void> {
  if (others.length > 0 || options.output !== undefined)
    throw new Failure('InvalidInput', '--watch shows one run, and writes its page to the usual place', {
      remedy: `Leave out ${others.length > 0 ? others.join(', ') : '--output'}.`,
    })
  const report = await watchReport(store, run, options.port ?? 0, options)
  if (!options.json) print(report)
}

async function pageOf(store: Store, run: string, options: Common): Promise<string> {
  const page = await reportPageOf(store, await latest(store, run, options))
  if (page === undefined)
    throw new Failure(
      'InvalidInput',
      `The run "${run}" is neither a search for a child nor a sweep: there is no page about it`,
    )
  return page
}

async function pageOfSeveral(store: Store, runs: readonly string[], options: Common): Promise<string> {
  const read = await comparedRuns(store, runs, options)
  // What draws charts is loaded only here.
  return (await import('../../report/html/comparison.js')).comparisonPage(read)
}
