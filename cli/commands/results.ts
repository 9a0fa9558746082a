import type { Command } from 'commander'
import { readFileSync, writeFileSync } from 'node:fs'
import { Failure, type Outputs } from '../../api/index.js'
import { writing } from '../../model/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import { curvePage } from '../../report/curve.js'
import { markdown } from '../../report/markdown.js'
import type { Store } from '../../store/index.js'
import { action } from '../action.js'
import { align } from '../columns.js'
import { explain } from '../explain.js'
import { latest } from '../latest.js'
import { printPage } from '../markdown-page.js'
import { forgetProfile } from '../measure-again.js'
import { openStore, readStore } from '../open-store.js'
import { common, type Common } from '../options.js'
import { noResultYet, notAccepted, resultOf } from '../outcome.js'
import { log, print, printJson, tableWidth, tell } from '../output.js'
import { partialCurve } from '../partial-curve.js'
import { readRun, startAgain, type RunDocument } from '../runs.js'
import { scoreLines, scoresOf, scoreTable } from '../score-table.js'
import { outputsOfStage, outputsSoFar } from '../stage-outputs.js'
import { typed } from '../typed.js'

/** What came out of runs. */
export function resultCommands(program: Command): void {
  common(program.command('result <run>').description('show parent and child side by side')).action(action(result))

  common(program.command('scores <run>').description('list all variants with their scores and costs'))
    .option('--csv', 'as comma-separated values')
    .action(
      action(async (run: string, options: Common & { csv?: boolean }) => {
        const store = await readStore(options)
        const document = await readRun(store, run)
        const scored = await outputsOfStage(store, document, 'score', 'scores')
        const costs = (await outputsSoFar(store, document)).done.profile?.files.costs
        const scores = await scoresOf(store, scored, costs && ((await store.readJson(costs)) as CostTable))
        if (!scores) throw new Failure('InvalidInput', `The run "${run}" has no scores`)
        if (options.json) return printJson(scores.rows)
        const { objective } = scores
        if (objective)
          log(
            `Judged by ${objective.name} (${objective.direction}; the parent has ${objective.parent}): column degradation, minimised.`,
          )
        const width = options.csv ? undefined : tableWidth()
        const lines = width === undefined ? scoreLines(scores, options.csv ? ',' : '\t') : scoreTable(scores, width)
        for (const line of lines) print(line)
      }),
    )

  common(
    program
      .command('profile <run>')
      .description('write the cost table of a run, to use as target.profile elsewhere; or measure it again'),
  )
    .option('-o, --output <file>')
    .option('--again', 'forget the measurements, so that the run measures again when it is next started')
    .action(
      action(async (run: string, options: Common & { output?: string; again?: boolean }) => {
        if (options.again === true && options.output !== undefined)
          throw new Failure('InvalidInput', '`--again` forgets the measurements: it writes no file', {
            remedy: 'Write the cost table first, with --output alone.',
          })
        if (options.again === true) return measureAgain(run, options)
        if (options.output === undefined)
          throw new Failure('InvalidInput', 'No file is given for the cost table', {
            remedy: 'Use --output FILE.',
          })
        const store = await readStore(options)
        const { files } = await outputsOfStage(store, await readRun(store, run), 'profile', 'cost table')
        if (!files.costs) throw new Failure('InvalidInput', `The run "${run}" has no cost table`)
        const table = readFileSync(await store.path(files.costs))
        const { output } = options
        await writing(output, () => writeFileSync(output, table))
        if (files.otherCosts) log(onlyFirst(JSON.parse(table.toString()) as CostTable))
      }),
    )
}

/** Says which of several tables was written. */
const onlyFirst = ({ scenario: { batch, prefill, generate } }: CostTable): string =>
  `This is the table of the first scenario or batch (batch ${batch}, prefill ${prefill}, generate ${generate}): the others are not written, because target.profile takes one.`

/** Forgets the costs that a run has measured. */
async function measureAgain(run: string, options: Common): Promise<void> {
  const store = await openStore(options)
  const document = await readRun(store, run)
  const forgotten = await forgetProfile(store, document)
  const command = startAgain(document)
  if (options.json) return printJson({ forgotten, command })
  print(`${forgotten} measurements are forgotten. To measure again: ${command}`)
}

async function result(run: string, options: Common): Promise<void> {
  const store = await readStore(options)
  const known = await readRun(store, run)
  let failed: unknown
  const document = await latest(store, run, options).catch((error: unknown) => {
    failed = error
    return known
  })
  const curve = document.outputs ? undefined : await partialCurve(store, document)
  if (!document.outputs && (failed !== undefined || !curve))
    return soFar(store, document, failed ?? noResultYet(document), options)
  const head = { run, specDigest: document.specDigest }
  const found = curve ? { ...head, ...curve } : await resultOf(store, document)
  const missed = notAccepted(document)
  if (!options.json && 'parent' in found) printPage(markdown(found as never))
  else if (!options.json && 'swept' in found) printPage(curvePage(found as never))
  else printJson(found)
  if (missed) tell(missed)
}

/** Shows what there is of a run without a result, and ends as the run's failure does. */
async function soFar(store: Store, document: RunDocument, failure: unknown, options: Common): Promise<void> {
  const { run, specDigest } = document
  const { exitCode, text, json } = explain(failure)
  if (json.kind === 'Defect') throw failure
  process.exitCode = exitCode
  const { done, missing } = await outputsSoFar(store, document)
  const values = Object.fromEntries(Object.entries(done).map(([name, outputs]) => [name, outputs.values]))
  if (options.json) printJson({ error: json, run, specDigest, stages: values })
  tell(text)
  if (options.json) return
  const count = Object.keys(done).length
  print(`${count} of ${count + missing.length} stages are done${count > 0 ? ':' : '.'}`)
  const rows = Object.entries(done).map(([name, outputs]) => [`  ${name}`, figures(outputs)])
  for (const line of align([{}, {}], rows, tableWidth())) print(line)
  if (done.score?.files.scores) print(`Scores of all variants: ${typed('scores', run)}`)
  if (done.profile?.files.costs) print(`Costs of all blocks: ${typed('profile', run, '-o', 'FILE')}`)
}

/** The numbers and short words among a stage's values. */
const figures = ({ values }: Outputs): string =>
  Object.entries(values)
    .flatMap(([name, value]) => {
      if (typeof value === 'number') return [`${name} ${Number(value.toPrecision(5))}`]
      return typeof value === 'boolean' || (typeof value === 'string' && value.length <= 40) ? [`${name} ${value}`] : []
    })
    .join(', ')
