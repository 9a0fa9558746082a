import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { mebibytes, type Counts, type Crash } from './fuzz.js'

/** The counts of a batch, as a line of the file of results. */
export interface Batch extends Counts {
  readonly seed: number
  readonly from: number
}

/** Batches that are done, in a file if one is named: what is ended and started again goes on where it was. */
export class Results {
  readonly batches: Batch[]

  constructor(readonly file: string | undefined) {
    const text = file !== undefined && existsSync(file) ? readFileSync(file, 'utf8') : ''
    this.batches = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Batch]))
  }

  add(batch: Batch): void {
    this.batches.push(batch)
    if (this.file !== undefined) appendFileSync(this.file, `${JSON.stringify(batch)}\n`)
  }

  /** How many inputs from a number on have been read already. */
  doneFrom(reader: string, seed: number, from: number): number {
    const found = this.batches.find((own) => own.reader === reader && own.seed === seed && own.from === from)
    return found?.inputs ?? 0
  }

  /** The counts of each reader. */
  totals(): Counts[] {
    const totals = new Map<string, Counts>()
    for (const batch of this.batches) {
      const before = totals.get(batch.reader)
      totals.set(batch.reader, before ? sum(before, batch) : batch)
    }
    return [...totals.values()]
  }
}

const sum = (one: Counts, other: Counts): Counts => ({
  reader: one.reader,
  inputs: one.inputs + other.inputs,
  accepted: one.accepted + other.accepted,
  refused: one.refused + other.refused,
  crashes: distinct([...one.crashes, ...other.crashes]),
  slowest: one.slowest.milliseconds >= other.slowest.milliseconds ? one.slowest : other.slowest,
  largest: one.largest.bytes >= other.largest.bytes ? one.largest : other.largest,
})

const distinct = (crashes: readonly Crash[]): Crash[] => [
  ...new Map(crashes.map((crash) => [crash.kind, crash])).values(),
]

/** A table of what became of the inputs, in Markdown. */
export function table(totals: readonly Counts[]): string {
  const head = ['reader', 'inputs', 'read', 'refused', 'kinds of crashes', 'slowest', 'most memory']
  const rows = totals.map(({ reader, inputs, accepted, refused, crashes, slowest, largest }) => [
    reader,
    ...[inputs, accepted, refused].map((n) => n.toLocaleString('en')),
    String(crashes.length),
    `${slowest.milliseconds} ms (${slowest.input})`,
    `${mebibytes(largest.bytes)} MiB (${largest.input})`,
  ])
  const total = totals.reduce((n, { inputs }) => n + inputs, 0).toLocaleString('en')
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(head),
    line(head.map((_, i) => (i === 0 ? '---' : '--:'))),
    ...rows.map(line),
    line(['all', total, '', '', '', '', '']),
  ].join('\n')
}
