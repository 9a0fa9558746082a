import type { Command } from 'commander'
import { Failure } from '../../api/index.js'
import { writing } from '../../model/index.js'
import { describedTypes } from '../../plugins/loading/load.js'
import { builtInPipeline } from '../../plugins/registry.js'
import { curvePage } from '../../report/curve.js'
import { readDocument } from '../../spec/document.js'
import { limitKinds, parseLimitOption, spacedValues } from '../../spec/limit-range.js'
import type { SearchProgress } from '../../workflows/types.js'
import { action } from '../action.js'
import { compiled } from '../compiled-spec.js'
import { followSearch } from '../follow-search.js'
import { printPage } from '../markdown-page.js'
import { wholeNumber } from '../option-values.js'
import { reading, running, settingWords, type RunningOptions } from '../options.js'
import { outcomeFolder, resultOf } from '../outcome.js'
import { partialCurve, writeCurve } from '../partial-curve.js'
import { readRun } from '../runs.js'
import { startSearch } from '../start-search.js'
import { sweepPlan, type SweepRequest } from '../sweep-plan.js'

interface SweepOptions extends RunningOptions {
  readonly limit: readonly string[]
  readonly points: number
  readonly measure?: boolean
}

/** A curve of quality against a limit. */
export function sweepCommand(program: Command): void {
  const command = reading(
    program.command('sweep <spec>').description('choose a child for each of several values of a limit: a curve'),
  )
    .requiredOption(
      '--limit <name=from..to>',
      'the limit to sweep, with units as in the spec; NAME=VALUE fixes another one; repeat for more',
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option('--points <n>', 'number of values, each the same multiple of the one before it', wholeNumber(2), 8)
    .option('--measure', 'measure the child of every point, as `evaluate` does')
    .option('--run <id>', 'name of the run (default: the spec’s name with -sweep at its end)')
    .option('--detach', 'do not wait for the result')
  running(command).action(action(sweep))
}

async function sweep(file: string, options: SweepOptions): Promise<void> {
  const request = requestOf(options)
  const { plan: whole, listings } = await compiled(file, options)
  const plan = sweepPlan(whole, request, await describedTypes(whole))
  const run = options.run ?? `${whole.name}-sweep`
  const command = [
    ...['sweep', whole.specFile, ...settingWords(options), ...options.limit.flatMap((limit) => ['--limit', limit])],
    ...['--points', String(options.points), ...(options.measure ? ['--measure'] : [])],
  ]
  const search = await startSearch({ plan, listings }, { ...options, run, command }, {})
  const { store } = search
  let before = ''
  const grow = async ({ stages }: SearchProgress) => {
    const now = stages.filter(({ stage }) => stage === 'sweep' || stage === 'measure').map(({ done }) => done)
    if (now.join() === before || now.every((done) => done === 0)) return
    before = now.join()
    const curve = await partialCurve(store, await readRun(store, run))
    if (curve) await writing(outcomeFolder(run), () => writeCurve(run, curve))
  }
  const document = await followSearch(search, options, grow)
  if (document && !options.json) printPage(curvePage((await resultOf(store, document)) as never))
}

/** What the options ask for. @throws Failure InvalidInput */
function requestOf({ limit, points, measure = false }: SweepOptions): SweepRequest {
  const pipeline = builtInPipeline('puzzle')!
  const kinds = limitKinds(readDocument(pipeline.file, pipeline.text))
  const read = limit.map((text) => parseLimitOption(text, kinds))
  const names = read.map((own) => (own.kind === 'range' ? own.range.name : own.name))
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined)
    throw new Failure('InvalidInput', `--limit names ${twice} twice`, { remedy: 'Give each limit one range or value.' })
  const [range, second] = read.flatMap((own) => (own.kind === 'range' ? [own.range] : []))
  if (!range)
    throw new Failure('InvalidInput', 'No limit has a range', { remedy: `Write one: --limit ${names[0]}=FROM..TO.` })
  if (second)
    throw new Failure('InvalidInput', `Both ${range.name} and ${second.name} have a range: only one limit is swept`, {
      remedy: `Fix one of them: --limit ${second.name}=VALUE.`,
    })
  const fixed = Object.fromEntries(read.flatMap((own) => (own.kind === 'fixed' ? [[own.name, own.limit]] : [])))
  return { range, values: spacedValues(range, points), fixed, measure }
}
