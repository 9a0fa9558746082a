import type { Command } from 'commander'
import { compared, figureText, rowName, type Comparison } from '../../report/comparison.js'
import { action } from '../action.js'
import { comparedRuns } from '../compared-runs.js'
import { readStore } from '../open-store.js'
import { common, type Common } from '../options.js'
import { print, printJson } from '../output.js'

/** Several runs side by side. */
export function compareCommand(program: Command): void {
  common(
    program
      .command('compare')
      .argument('<run>')
      .argument('<others...>')
      .description('compare runs: figures, settings and blocks side by side'),
  ).action(
    action(async (run: string, others: readonly string[], options: Common) => {
      const comparison = compared(await comparedRuns(await readStore(options), [run, ...others], options))
      if (options.json) printJson(comparison)
      else for (const line of linesOf(comparison)) print(line)
    }),
  )
}

function linesOf({ runs, cautions, figures, settings, layers }: Comparison): string[] {
  const names = runs.map(({ run }) => run)
  const section = (title: string, rows: readonly (readonly string[])[]) =>
    rows.length === 0 ? [] : ['', ...aligned([[title, ...names], ...rows])]
  const searches = runs.filter(({ kind }) => kind === 'search').length
  return [
    ...cautions.map((caution) => `Note: ${caution}`),
    ...aligned([
      ['', ...names],
      ['verdict', ...runs.map(({ verdict }) => verdict ?? 'a sweep')],
      ...figures.map((row) => [rowName(row), ...row.values.map((own) => figureText(row.unit, own))]),
    ]),
    ...section(
      'setting',
      settings.map(({ setting, values }) => [setting, ...values.map((value) => value ?? '–')]),
    ),
    ...(settings.length === 0 ? ['', 'All settings are the same.'] : []),
    ...section(
      'layer',
      (layers ?? []).map(({ layer, slot, values }) => [`${layer} ${slot}`, ...values.map((value) => value ?? '–')]),
    ),
    ...(layers?.length === 0 && searches > 1 ? ['', 'The children have the same blocks.'] : []),
  ]
}

/** Most characters of a cell; `--json` has all. */
const mostCharacters = 60

/** Rows with their cells below each other. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const cut = rows.map((cells) =>
    cells.map((cell) => (cell.length > mostCharacters ? `${cell.slice(0, mostCharacters - 1)}…` : cell)),
  )
  const widths = cut[0]!.map((_, i) => Math.max(...cut.map((cells) => cells[i]!.length)))
  return cut.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
}
