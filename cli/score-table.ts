import type { Outputs } from '../api/index.js'
import { addCosts, type Cost, type CostTable } from '../puzzle/costs.js'
import type { ScoreOutputs } from '../puzzle/hand-over.js'
import { degradationOf, type ScoreRow } from '../puzzle/score-row.js'
import type { Store } from '../store/index.js'
import { describeBytes } from '../errors/amounts.js'
import { align, type Column } from './columns.js'

/** A variant of a layer with its score, and the costs of the blocks that are in its slots. */
export interface ScoredRow extends Omit<ScoreRow, 'entries'> {
  readonly costs: { readonly attention: Cost | undefined; readonly ffn: Cost | undefined }
}

/** Scores of a search and what they are judged by, if that is not the KL. */
export interface Scores {
  readonly rows: readonly ScoredRow[]
  readonly objective: ScoreOutputs['values']['objective'] | undefined
}

/** Scores with costs, in the order of the layers. Undefined if the stage has left none. */
export async function scoresOf(
  store: Store,
  { files, values }: Outputs,
  costs: CostTable | undefined,
): Promise<Scores | undefined> {
  if (!files.scores) return undefined
  const rows = ((await store.readJson(files.scores)) as ScoreRow[]).map(({ entries: _, ...row }) => ({
    ...row,
    costs: { attention: costs?.attention[row.attention], ffn: costs?.ffn[row.ffn] },
  }))
  const { objective } = values as Partial<ScoreOutputs['values']>
  return { rows, objective: objective?.name === 'kl' ? undefined : objective }
}

/** Costs of what a row has put into the layer. Unknown for a run of layers, which has other costs than its blocks. */
function costOf({ slot, run, costs: { attention, ffn } }: ScoredRow): Cost | undefined {
  if (run !== undefined) return undefined
  if (slot !== 'block') return slot === 'attention' ? attention : ffn
  return attention && ffn && addCosts(attention, ffn)
}

const figures = ['kl', 'kl_before_distillation', 'lossDelta', 'top1', 'nmse'] as const
const costs = ['parameters', 'memoryBytes', 'prefillSeconds', 'decodeSeconds'] as const

/** Rows for programs, their header first. */
export function scoreLines({ rows, objective }: Scores, separator: string): string[] {
  const head = [
    'layer',
    'slot',
    'attention',
    'ffn',
    ...figures,
    ...(objective ? ['degradation'] : []),
    'run',
    'span',
    ...costs,
  ]
  const number = (value: number | null | undefined) => {
    if (value === null || value === undefined) return ''
    return Number.isInteger(value) ? value : Number(value.toPrecision(5))
  }
  const line = (row: ScoredRow) => [
    ...[row.layer, row.slot, row.attention, row.ffn],
    ...figures.map((name) => number(row[name])),
    ...(objective ? [number(degradationOf(row))] : []),
    ...[row.run ?? '', row.span ?? ''],
    ...costs.map((name) => number(costOf(row)?.[name])),
  ]
  return [head, ...rows.map(line)].map((cells) => cells.join(separator))
}

const columns: readonly Column[] = [
  { name: 'layer', align: 'right' },
  { name: 'slot' },
  { name: 'variant' },
  { name: 'degradation', align: 'right' },
  { name: 'KL', align: 'right' },
  { name: 'untrained', align: 'right', optional: 4 },
  { name: 'loss', align: 'right', optional: 3 },
  { name: 'top-1', align: 'right', optional: 2 },
  { name: 'nMSE', align: 'right', optional: 5 },
  { name: 'parameters', align: 'right', optional: 1 },
  { name: 'memory', align: 'right' },
  { name: 'prefill', align: 'right' },
  { name: 'decode', align: 'right' },
]

/** The same as a table for a terminal of so many columns. */
export function scoreTable({ rows, objective }: Scores, width: number): string[] {
  const short = (value: number | null, digits = 3) => (value === null ? '' : String(Number(value.toPrecision(digits))))
  const time = (seconds: number) => (seconds >= 1 ? `${seconds.toFixed(2)} s` : `${(1000 * seconds).toPrecision(3)} ms`)
  const cells = rows.map((row) => {
    const cost = costOf(row)
    const blocks = row.slot === 'block' ? `${row.attention} + ${row.ffn}` : row[row.slot]
    return [
      String(row.layer),
      row.slot,
      row.run === undefined ? blocks : `${row.run}, ${row.span} layers`,
      objective ? short(degradationOf(row)) : '',
      short(row.kl),
      short(row.kl_before_distillation),
      short(row.lossDelta),
      `${(100 * row.top1).toFixed(1)} %`,
      short(row.nmse),
      ...(cost
        ? [
            amount(cost.parameters),
            describeBytes(cost.memoryBytes),
            time(cost.prefillSeconds),
            time(cost.decodeSeconds),
          ]
        : []),
    ]
  })
  return align(columns, cells, width)
}

/** `1.34 M`. */
function amount(value: number): string {
  const [unit, size] = (
    [
      [' G', 1e9],
      [' M', 1e6],
      [' k', 1e3],
    ] as const
  ).find(([, s]) => value >= s) ?? ['', 1]
  return `${Number((value / size).toPrecision(3))}${unit}`
}
