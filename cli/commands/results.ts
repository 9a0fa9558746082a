import type { Command } from 'commander'
import { readFileSync, writeFileSync } from 'node:fs'
import { writing } from '../../model/index.js'
import { Failure } from '../../api/index.js'
import type { CostTable } from '../../puzzle/costs.js'
import { curvePage } from '../../report/curve.js'
import { markdown } from '../../report/markdown.js'
import type { ScoreOutputs } from '../../puzzle/hand-over.js'
import type { ScoreRow } from '../../puzzle/score-row.js'
import { action } from '../action.js'
import { common, type Common } from '../options.js'
import { log, print, printJson } from '../output.js'
import { latest } from '../latest.js'
import { readStore } from '../open-store.js'
import { notAccepted, outputsOf, resultOf } from '../outcome.js'
import { partialCurve } from '../partial-curve.js'
import { readRun } from '../runs.js'

/** What came out of runs. */
export function resultCommands(program: Command): void {
  common(program.command('result <run>').description('show parent and child side by side')).action(
    action(async (run: string, options: Common) => {
      const store = await readStore(options)
      const document = await latest(store, run, options)
      const partial = document.outputs ? undefined : await partialCurve(store, document)
      const result = partial ? { run, specDigest: document.specDigest, ...partial } : await resultOf(store, document)
      const missed = notAccepted(document)
      if (!options.json && 'parent' in result) print(markdown(result as never))
      else if (!options.json && 'swept' in result) print(curvePage(result as never))
      else printJson(result)
      if (missed) log(missed)
    }),
  )

  common(program.command('scores <run>').description('list all variants with their scores and costs'))
    .option('--csv', 'as comma-separated values')
    .action(
      action(async (run: string, options: Common & { csv?: boolean }) => {
        const store = await readStore(options)
        const outputs = await outputsOf(store, await readRun(store, run))
        const scores = outputs.score?.files.scores
        const costs = outputs.profile?.files.costs
        if (!scores || !costs) throw new Failure('InvalidInput', `The run "${run}" has no scores`)
        const table = (await store.readJson(costs)) as CostTable
        const rows = ((await store.readJson(scores)) as ScoreRow[]).map(({ entries: _, ...row }) => ({
          ...row,
          costs: { attention: table.attention[row.attention], ffn: table.ffn[row.ffn] },
        }))
        if (options.json) return printJson(rows)
        const { objective: declared } = outputs.score!.values as Partial<ScoreOutputs['values']>
        const objective = declared?.name === 'kl' ? undefined : declared
        if (objective)
          log(
            `Judged by ${objective.name} (${objective.direction}; the parent has ${objective.parent}): column degradation, minimised.`,
          )
        const flat = rows.map(({ judged, ...row }) => ({ ...row, degradation: judged?.degradation ?? row.kl }))
        const names = [
          'layer',
          'slot',
          'attention',
          'ffn',
          'kl',
          'kl_before_distillation',
          'lossDelta',
          'top1',
          'nmse',
          ...(objective ? (['degradation'] as const) : []),
          'run',
          'span',
        ] as const
        const separator = options.csv ? ',' : '\t'
        print(names.join(separator))
        for (const row of flat)
          print(
            names
              .map((name) => (typeof row[name] === 'number' ? Number(row[name].toPrecision(5)) : (row[name] ?? '')))
              .join(separator),
          )
      }),
    )

  common(
    program.command('profile <run>').description('write the cost table of a run, to use as target.profile elsewhere'),
  )
    .requiredOption('-o, --output <file>')
    .action(
      action(async (run: string, options: Common & { output: string }) => {
        const store = await readStore(options)
        const costs = (await outputsOf(store, await readRun(store, run))).profile?.files.costs
        if (!costs) throw new Failure('InvalidInput', `The run "${run}" has no cost table`)
        const table = readFileSync(await store.path(costs))
        await writing(options.output, () => writeFileSync(options.output, table))
      }),
    )
}
