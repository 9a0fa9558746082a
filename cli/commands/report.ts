import type { Command } from 'commander'
import { writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Failure } from '../../api/index.js'
import { writing } from '../../model/index.js'
import { action } from '../action.js'
import { latest } from '../latest.js'
import { readStore } from '../open-store.js'
import { common, type Common } from '../options.js'
import { outcomeFolder } from '../outcome.js'
import { print, printJson } from '../output.js'
import { placePage, reportPageOf } from '../report-page.js'

/** The page about a search. */
export function reportCommand(program: Command): void {
  common(program.command('report <run>').description('write the page about a search: one HTML file with its charts'))
    .option('-o, --output <file>', 'where to write it (default: runs/RUN/report.html)')
    .action(
      action(async (run: string, options: Common & { output?: string }) => {
        const store = await readStore(options)
        const page = await reportPageOf(store, await latest(store, run, options))
        if (page === undefined)
          throw new Failure('InvalidInput', `The run "${run}" is not a search for a child: there is no page about it`)
        const { output } = options
        const report = await writing(output ?? outcomeFolder(run), () => {
          if (output === undefined) return placePage(run, page)
          writeFileSync(output, page)
          return resolve(output)
        })
        if (options.json) printJson({ report })
        else print(report)
      }),
    )
}
