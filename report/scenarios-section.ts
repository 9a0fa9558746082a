import { plainMarkdown as plain } from '../errors/markdown.js'
import { format } from './format.js'

/** A figure of a model in a scenario. */
interface Figure {
  readonly measured: number
}
interface Figures {
  readonly throughput: Figure
  readonly prefill: Figure
  readonly tokenLatency: Figure
  readonly memoryBytes: number
}

/** Child and parent in one of several scenarios. Throughput is in tokens/s, times are in seconds. */
export interface ScenarioResult {
  readonly scenario: { readonly batch: number; readonly prefill: number; readonly generate: number }
  readonly parent: Figures
  readonly child: Figures
  /** Child / parent. */
  readonly ratios: Readonly<Record<'throughput' | 'prefill' | 'tokenLatency' | 'memory', number>>
}

/** A table of what was measured in each of several scenarios. */
export function scenariosSection(scenarios: Readonly<Record<string, ScenarioResult>> = {}): string[] {
  const all = Object.entries(scenarios)
  if (all.length === 0) return []
  const rows = all.flatMap(([name, { parent, child, ratios }]) => [
    row([name, 'throughput, tokens/s', parent.throughput.measured, child.throughput.measured, ratios.throughput]),
    row([name, 'time to the first token, s', parent.prefill.measured, child.prefill.measured, ratios.prefill]),
    row([name, 'time per generated token, s', ...both(parent, child), ratios.tokenLatency]),
    row([name, 'memory, bytes', parent.memoryBytes, child.memoryBytes, ratios.memory]),
  ])
  return [
    '## Scenarios',
    '',
    ...all.map(
      ([
        name,
        {
          scenario: { batch, prefill, generate },
        },
      ]) => `- ${plain(name)}: ${batch} sequences of ${prefill} prompt tokens and ${generate} generated ones`,
    ),
    '',
    '| scenario | | parent | child | ratio |',
    '|---|---|---:|---:|---:|',
    ...rows,
    '',
  ]
}

const both = (parent: Figures, child: Figures): [number, number] => [
  parent.tokenLatency.measured,
  child.tokenLatency.measured,
]

const row = ([name, title, ...values]: [string, string, ...number[]]): string =>
  `| ${plain(name)} | ${title} | ${values.map((value) => format(value)).join(' | ')} |`
