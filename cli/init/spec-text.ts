import { stringify } from 'yaml'
import type { JsonObject } from '../../api/index.js'
import type { Budgets } from './budgets.js'
import type { ProposedScenario, ProposedSpace } from './proposal.js'

/** What a proposed spec says. */
export interface Proposal {
  readonly name: string
  /** Paths as the spec writes them. */
  readonly model: string
  readonly train: string
  readonly validate: string
  readonly test?: string
  readonly tasks?: string
  readonly sequenceLength: number
  readonly space: ProposedSpace
  readonly scenario: ProposedScenario
  /** A limit on throughput, as specs write it. */
  readonly throughput: string
  readonly budgets: Budgets
  /** Where editors find the schema. */
  readonly schema: string
  /** What was found: lines of comments. */
  readonly about: readonly string[]
}

const flow = (value: unknown): string =>
  stringify(value, { collectionStyle: 'flow', lineWidth: 0, singleQuote: true }).trim()

/** A proposal as YAML with comments. */
export function specText(own: Proposal): string {
  const list = (entries: readonly unknown[]) => entries.map((entry) => `    - ${flow(entry)}`)
  const { batch, prefill, generate } = own.scenario
  return [
    `# yaml-language-server: $schema=${own.schema}`,
    ...own.about.map((line) => `# ${line}`),
    'apiVersion: puzzleflow/v1',
    `name: ${flow(own.name)}`,
    `model: ${flow(own.model)}`,
    'data:',
    '  # Text like that of the model’s users: blocks learn on the first file; the second one, which they never see, judges them.',
    `  train: ${flow({ path: own.train })}`,
    `  validate: ${flow({ path: own.validate })}`,
    ...(own.test === undefined ? [] : [`  test: ${flow({ path: own.test })}`]),
    `  sequenceLength: ${own.sequenceLength}`,
    ...(own.tasks === undefined
      ? ['# tasks: ./tasks   # questions with answers: the child then has to keep its accuracy']
      : [`tasks: ${flow(own.tasks)}`]),
    'space:',
    '  # What may take the place of each layer’s attention and FFN; `npx puzzleflow plugins ls` lists all block types.',
    '  attention:',
    ...list(own.space.attention),
    '  ffn:',
    ...list(own.space.ffn),
    'target:',
    '  # The load to be served: sequences at once, tokens of each prompt, tokens generated for each.',
    `  scenario: ${flow({ batch, prefill, generate })}`,
    '  # threads: 2   # that will serve the child; without it, everything is timed with 1',
    '  limits:',
    `    throughput: ${flow(own.throughput)}`,
    '    # memory: <= 60%',
    '    # tokenLatency: <= 20 ms',
    ...(own.tasks === undefined
      ? ['  # The child is accepted only if it keeps this, as measured on text that the search never saw.']
      : ['  # The child is accepted only if it keeps this share of the parent’s accuracy on questions it never saw.']),
    own.tasks === undefined ? `  quality: ${flow({ perplexity: '<= 1.05x' })}` : "  quality: '>= 98%'",
    'seed: 1',
    'stages:',
    '  # How thorough each stage is. Ten times the tokens take about ten times as long.',
    ...Object.entries(own.budgets).map(([stage, params]) => `  ${stage}: ${flow(asWritten(params))}`),
    '',
  ].join('\n')
}

/** Quantities with their units. */
const asWritten = (params: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(params).map(([key, value]) => {
      if (key === 'tokens') return [key, tokensOf(Number(value))]
      if (typeof value === 'number' && value > 0 && value < 1) return [key, `${Number((100 * value).toPrecision(3))}%`]
      return [key, value]
    }),
  )

function tokensOf(tokens: number): string {
  if (tokens >= 1e6) return `${tokens / 1e6}M`
  return tokens >= 1000 ? `${tokens / 1000}k` : String(tokens)
}
