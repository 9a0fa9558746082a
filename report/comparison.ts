import type { Curve } from './curve.js'
import { format } from './format.js'
import type { Result } from './markdown.js'

/** A run that is compared with others, and what must be the same for figures to mean the same. */
export interface ComparedRun {
  readonly run: string
  /** The parent: its name, and the digest of its files. */
  readonly parent: { readonly name: string; readonly digest: string }
  /** What is served, in words. */
  readonly scenario: string
  /** Digest of the text and the tasks that quality was measured on; absent where nothing was measured yet. */
  readonly measuredOn?: string
  /** What costs were measured on, in words. */
  readonly machine?: string
  /** Settings of the spec, defaults included: values in words, by path. Files are named with their digest. */
  readonly settings: Readonly<Record<string, string>>
  /** Seconds of all its tasks together. */
  readonly seconds: number
  readonly found:
    { readonly kind: 'search'; readonly result: Result } | { readonly kind: 'sweep'; readonly curve: Curve }
}

/** A figure, with its interval or standard error where it has one. */
export interface ComparedFigure {
  readonly value: number
  /** Confidence interval. */
  readonly interval?: readonly [low: number, high: number]
  readonly stderr?: number
}

/** A figure of all runs, in their order; null where a run does not have it. */
export interface ComparedRow {
  readonly name: string
  readonly unit: 'ratio' | 'share' | 'points' | 'nats' | 'seconds'
  /** Whether the figures mean the same in all runs. */
  readonly isComparable: boolean
  readonly values: readonly (ComparedFigure | null)[]
}

/** Runs side by side. Plain JSON. */
export interface Comparison {
  readonly runs: readonly { readonly run: string; readonly kind: 'search' | 'sweep'; readonly verdict: string | null }[]
  /** Why some figures cannot be compared; none: all can. */
  readonly cautions: readonly string[]
  /** Whether quality and speed mean the same in all runs, so that one chart can have them. */
  readonly sharesAxes: boolean
  /** Of searches: their children. Null for sweeps. */
  readonly figures: readonly ComparedRow[]
  /** Settings that are not the same everywhere; null where a run does not have one. */
  readonly settings: readonly { readonly setting: string; readonly values: readonly (string | null)[] }[]
  /** Blocks that are not the same in all searches; absent where they do not have the same parent. */
  readonly layers?: readonly {
    readonly layer: number
    readonly slot: 'attention' | 'ffn'
    readonly values: readonly (string | null)[]
  }[]
}

/** Compares runs. @param runs  two or more */
export function compared(runs: readonly ComparedRun[]): Comparison {
  const same = <T>(values: readonly T[]) => values.every((value) => value === values[0])
  const known = <T>(values: readonly (T | undefined)[]) => values.filter((value) => value !== undefined)
  const sameParent = same(runs.map(({ parent }) => parent.digest))
  const sameScenario = same(runs.map(({ scenario }) => scenario))
  const sameData = same(known(runs.map(({ measuredOn }) => measuredOn)))
  const sameMachine = same(known(runs.map(({ machine }) => machine)))
  const each = (of: (run: ComparedRun) => string) => runs.map((own) => `${own.run}: ${of(own)}`).join('; ')
  const cautions = [
    ...(sameParent
      ? []
      : [
          `The parents differ (${each(({ parent }) => `${parent.name}, ${parent.digest.slice(0, 8)}`)}). Every figure is relative to the run’s own parent, so none says which child is better, and blocks are not compared.`,
        ]),
    ...(sameScenario
      ? []
      : [`The scenarios differ (${each(({ scenario }) => scenario)}): speeds and memory are not comparable.`]),
    ...(sameData
      ? []
      : ['Quality was measured on different text or tasks: KL, perplexity and accuracy are not comparable.']),
    ...(sameMachine
      ? []
      : [
          `Costs were measured on different machines (${each(({ machine = 'unknown' }) => machine)}): a child may be fast on one of them only.`,
        ]),
  ]
  return {
    runs: runs.map(({ run, found }) => ({
      run,
      kind: found.kind,
      verdict: found.kind === 'search' ? found.result.verdict : null,
    })),
    cautions,
    sharesAxes: sameParent && sameScenario && sameData,
    figures: figures(runs, {
      speed: sameParent && sameScenario,
      quality: sameParent && sameData,
      size: sameParent,
    }),
    settings: settings(runs),
    ...(sameParent && { layers: layers(runs) }),
  }
}

type Kind = 'speed' | 'quality' | 'size'

const rows: readonly (readonly [
  name: string,
  unit: ComparedRow['unit'],
  kind: Kind,
  of: (result: Result) => ComparedFigure | null,
])[] = [
  ['throughput', 'ratio', 'speed', (result) => throughput(result)],
  ['time to the first token', 'ratio', 'speed', ({ ratios }) => figure(ratios.prefill)],
  ['time per token', 'ratio', 'speed', ({ ratios }) => figure(ratios.tokenLatency)],
  ['memory in the scenario', 'share', 'speed', ({ ratios }) => figure(ratios.memory)],
  ['parameters', 'share', 'size', ({ ratios }) => figure(ratios.parameters)],
  ['accuracy kept', 'share', 'quality', ({ ratios }) => figure(ratios.accuracy)],
  ['accuracy, child minus parent', 'points', 'quality', (result) => accuracyChange(result)],
  ['perplexity', 'ratio', 'quality', ({ parent, child }) => figure(child.perplexity / parent.perplexity)],
  ['KL to the parent', 'nats', 'quality', ({ child }) => figure(child.kl)],
]

const figure = (value: number | null | undefined): ComparedFigure | null =>
  value === null || value === undefined ? null : { value }

/** The ratio of throughputs, with the interval of the limit on it, if there is one. */
function throughput({ ratios, limits }: Result): ComparedFigure {
  const interval = throughputInterval({ limits })
  return { value: ratios.throughput, ...(interval && { interval }) }
}

/** Confidence interval of the ratio of throughputs, which a limit relative to the parent has. */
export const throughputInterval = ({ limits }: Pick<Result, 'limits'>): readonly [number, number] | undefined =>
  limits.find(({ limit, interval }) => interval && /^throughput .* of the parent$/.test(limit))?.interval

/** Mean over tasks of what the child has more than the parent on the same items. */
function accuracyChange({ paired = {}, parent, child }: Result): ComparedFigure | null {
  if (parent.accuracy === null || child.accuracy === null) return null
  const errors = Object.keys(child.tasks).map((name) => {
    const { outcomes, differences = {} } = paired[name] ?? {}
    return outcomes ? (differences[outcomes.metric]?.stderr ?? undefined) : undefined
  })
  const stderr = errors.every((error) => error !== undefined)
    ? Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0)) / errors.length
    : undefined
  return { value: child.accuracy - parent.accuracy, ...(stderr !== undefined && { stderr }) }
}

function figures(runs: readonly ComparedRun[], comparable: Readonly<Record<Kind, boolean>>): ComparedRow[] {
  if (runs.every(({ found }) => found.kind === 'sweep')) return []
  const all = rows.map(([name, unit, kind, of]) => ({
    ...{ name, unit, isComparable: comparable[kind] },
    values: runs.map(({ found }) => (found.kind === 'search' ? of(found.result) : null)),
  }))
  return [
    ...all.filter(({ values }) => values.some((value) => value !== null)),
    {
      ...{ name: 'time of all tasks', unit: 'seconds' as const, isComparable: true },
      values: runs.map(({ seconds }) => ({ value: seconds })),
    },
  ]
}

function settings(runs: readonly ComparedRun[]): Comparison['settings'] {
  const names = [...new Set(runs.flatMap((own) => Object.keys(own.settings)))].sort()
  // A sweep lacks stages of a search: that it does says enough.
  const isEverywhere = (stage: string) =>
    runs.every((own) => Object.keys(own.settings).some((name) => name.startsWith(stage)))
  return names.flatMap((setting) => {
    const stage = /^stages\.[^.]+\./.exec(setting)?.[0]
    if (stage !== undefined && !isEverywhere(stage)) return []
    const values = runs.map((own) => own.settings[setting] ?? null)
    return values.every((value) => value === values[0]) ? [] : [{ setting, values }]
  })
}

function layers(runs: readonly ComparedRun[]): NonNullable<Comparison['layers']> {
  const children = runs.map(({ found }) => (found.kind === 'search' ? found.result.child.layers : undefined))
  const searches = children.filter((own) => own !== undefined)
  if (searches.length < 2) return []
  return Array.from({ length: Math.max(...searches.map(({ length }) => length)) }, (_, layer) =>
    (['attention', 'ffn'] as const).flatMap((slot) => {
      const values = children.map((own) => own?.[layer]?.[slot] ?? null)
      const variants = values.filter((_, i) => children[i])
      return variants.every((variant) => variant === variants[0]) ? [] : [{ layer, slot, values }]
    }),
  ).flat()
}

/** A figure in words: `2.31x (2.20 to 2.44)`, `-0.62 ± 0.25 points`. */
export function figureText(unit: ComparedRow['unit'], own: ComparedFigure | null): string {
  if (!own) return format(undefined)
  const { value, interval, stderr } = own
  const inUnit: Readonly<Record<ComparedRow['unit'], (value: number) => string>> = {
    ratio: (value) => `${format(value)}x`,
    share: (value) => `${Number((100 * value).toPrecision(4))} %`,
    points: (value) => Number((100 * value).toFixed(2)).toString(),
    nats: format,
    seconds: (value) => `${format(value)} s`,
  }
  const said = inUnit[unit](value)
  const error = stderr === undefined ? '' : ` ± ${Number((100 * stderr).toPrecision(2))}`
  const range = interval ? ` (${interval.map((end) => `${format(end)}`).join(' to ')})` : ''
  return `${said}${error}${unit === 'points' ? ' points' : ''}${range}`
}

/** What a row's figures are relative to, in words. */
export const rowName = ({ name, unit, isComparable }: ComparedRow): string =>
  [
    name,
    ...(unit === 'ratio' ? [', times the parent’s'] : []),
    ...(unit === 'share' ? [', share of the parent’s'] : []),
    ...(unit === 'nats' ? [', nats per token'] : []),
    ...(isComparable ? [] : [' (not comparable)']),
  ].join('')
