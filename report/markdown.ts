interface Measured {
  readonly throughput: { readonly predicted: number | null; readonly measured: number }
  readonly accuracy: number | null
  readonly tasks: Readonly<Record<string, number>>
  readonly perplexity: number
  readonly kl: number
  readonly parameters: number
  readonly memoryBytes: number
}

/** What of a search's result is shown. */
export interface Result {
  readonly verdict: string
  readonly reasons: readonly string[]
  readonly parent: Measured
  readonly child: Measured & { readonly layers: readonly { attention: string; ffn: string }[] }
  readonly ratios: {
    readonly throughput: number
    readonly accuracy: number | null
    readonly memory: number
    readonly parameters: number
  }
  readonly limits: readonly { readonly limit: string; readonly held: boolean; readonly value: number }[]
  /** Sessions in which the child was timed, where more than one was needed. */
  readonly timingSessions?: number
  readonly solver: { readonly status: string; readonly objective: number; readonly bound: number; readonly gap: number }
  /** Tasks that failed or were skipped: the search had to do without them. */
  readonly leftOut?: readonly { readonly task: string; readonly reason: string }[]
  readonly baselines: Readonly<Record<string, { readonly objective: number | null; readonly feasible: boolean }>>
}

/** A number for people: four digits; a dash for what is none, the share of nothing for instance. */
export const format = (value: number | null | undefined): string =>
  Number.isFinite(value) ? String(Number(value!.toPrecision(4))) : '–'

/** The result as a page of Markdown. */
export function markdown(result: Result): string {
  const {
    verdict,
    reasons,
    parent,
    child,
    ratios,
    limits,
    solver,
    baselines,
    leftOut = [],
    timingSessions: sessions = 1,
  } = result
  const row = (name: string, a: number | null, b: number | null, ratio?: number | null) =>
    `| ${name} | ${format(a)} | ${format(b)} | ${format(ratio)} |`
  return [
    `# ${verdict === 'accepted' ? 'A child was found' : 'No acceptable child'}`,
    '',
    ...reasons.map((reason) => `- ${reason}`),
    ...(reasons.length > 0 ? [''] : []),
    '| | parent | child | ratio |',
    '|---|---:|---:|---:|',
    row(
      'throughput, tokens/s (measured in one run)',
      parent.throughput.measured,
      child.throughput.measured,
      ratios.throughput,
    ),
    row('throughput, tokens/s (predicted)', parent.throughput.predicted, child.throughput.predicted),
    row('mean task accuracy', parent.accuracy, child.accuracy, ratios.accuracy),
    ...Object.keys(parent.tasks).map((name) =>
      row(`task ${name}`, parent.tasks[name]!, child.tasks[name]!, child.tasks[name]! / parent.tasks[name]!),
    ),
    row('perplexity', parent.perplexity, child.perplexity, child.perplexity / parent.perplexity),
    row('KL(parent, child), nats per token', 0, child.kl),
    row('parameters', parent.parameters, child.parameters, ratios.parameters),
    row('memory in the scenario, bytes', parent.memoryBytes, child.memoryBytes, ratios.memory),
    '',
    '## Limits',
    '',
    ...limits.map(({ limit, held, value }) => `- ${held ? 'held' : 'NOT held'}: ${limit} (${format(value)})`),
    ...(limits.length === 0 ? ['None.'] : []),
    ...(sessions > 1
      ? ['', `A limit of time was narrowly missed at first: this is the best of ${sessions} sessions of timing.`]
      : []),
    '',
    ...(leftOut.length > 0
      ? ['## Left out of the search', '', ...leftOut.map(({ task, reason }) => `- ${task}: ${reason}`), '']
      : []),
    '## Layers',
    '',
    '| layer | attention | ffn |',
    '|---:|---|---|',
    ...child.layers.map(({ attention, ffn }, i) => `| ${i} | ${attention} | ${ffn} |`),
    '',
    '## Search',
    '',
    `Solver: ${solver.status}, KL ${format(solver.objective)} (bound ${format(solver.bound)}, gap ${format(solver.gap)}).`,
    '',
    '| method | predicted KL |',
    '|---|---:|',
    `| mixed-integer search | ${format(solver.objective)} |`,
    ...Object.entries(baselines).map(
      ([name, { objective }]) => `| ${name} | ${objective === null ? 'none feasible' : format(objective)} |`,
    ),
    '',
  ].join('\n')
}
