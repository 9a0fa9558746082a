import type { Metric, MetricName } from '../task.js'
import type { Field } from './field.js'
import { pythonRegex } from './python-regex.js'
import { shown } from '../../errors/foreign.js'

export const outputTypes = ['multiple_choice', 'generate_until', 'loglikelihood', 'loglikelihood_rolling'] as const
export type OutputType = (typeof outputTypes)[number]

interface Known {
  readonly of: readonly OutputType[]
  readonly aggregation: string
  readonly higherIsBetter: boolean
}

const mean = { aggregation: 'mean', higherIsBetter: true }
const perplexity = { aggregation: 'weighted_perplexity', higherIsBetter: false }

/** What is computed for which kind of task, and how. */
const known: Readonly<Record<MetricName, Known>> = {
  acc: { of: ['multiple_choice', 'loglikelihood'], ...mean },
  acc_norm: { of: ['multiple_choice'], ...mean },
  acc_bytes: { of: ['multiple_choice'], ...mean },
  exact_match: { of: ['generate_until', 'multiple_choice'], ...mean },
  perplexity: { of: ['loglikelihood'], aggregation: 'perplexity', higherIsBetter: false },
  word_perplexity: { of: ['loglikelihood_rolling'], ...perplexity },
  byte_perplexity: { of: ['loglikelihood_rolling'], ...perplexity },
  bits_per_byte: { of: ['loglikelihood_rolling'], aggregation: 'bits_per_byte', higherIsBetter: false },
  token_perplexity: { of: ['loglikelihood_rolling'], ...perplexity },
}

/** Without a `metric_list`, as in the harness. */
const usual: Readonly<Record<OutputType, readonly MetricName[]>> = {
  multiple_choice: ['acc', 'acc_norm'],
  generate_until: ['exact_match'],
  loglikelihood: ['perplexity', 'acc'],
  loglikelihood_rolling: ['word_perplexity', 'byte_perplexity', 'bits_per_byte'],
}

const keys = ['metric', 'aggregation', 'higher_is_better', 'hf_evaluate']
const comparing = ['ignore_case', 'ignore_punctuation', 'ignore_numbers', 'regexes_to_ignore']

/** What a `metric_list` asks for. @throws Failure InvalidInput at what cannot be computed */
export function metricsOf(field: Field | undefined, type: OutputType): readonly Metric[] {
  const own =
    field === undefined ? usual[type].map((name): Metric => ({ name })) : field.list().map((one) => read(one, type))
  const twice = own.find(({ name }, i) => own.findIndex((other) => other.name === name) !== i)
  if (twice) throw field!.bad(`metric_list has ${twice.name} twice`, 'Remove one.')
  if (own.length === 0) throw field!.bad('metric_list is empty', 'Name a metric, or remove the key.')
  if (type !== 'loglikelihood_rolling' || own.some(({ name }) => name === 'token_perplexity')) return own
  return [...own, { name: 'token_perplexity' }]
}

function read(field: Field, type: OutputType): Metric {
  const entries = field.entries()
  const metric = entries.get('metric')
  if (!metric) throw field.bad('this entry of metric_list names no metric', 'Write `- metric: acc`.')
  const possible = Object.entries(known).flatMap(([name, { of }]) => (of.includes(type) ? [name] : []))
  const name = metric.text() as MetricName
  if (!possible.includes(name))
    throw metric.bad(
      `the metric "${name}" is not computed for output_type ${type}`,
      `Supported: ${possible.join(', ')}. Remove the others from metric_list.`,
    )
  field.entries([...keys, ...(name === 'exact_match' ? comparing : [])])
  const { aggregation, higherIsBetter } = known[name]
  const other = entries.get('aggregation')
  if (other && other.value !== aggregation)
    throw other.bad(
      `${name} is aggregated by ${aggregation}, not by ${shown(other.value)}`,
      `Write \`aggregation: ${aggregation}\`, or remove the key.`,
    )
  const better = entries.get('higher_is_better')
  if (better && better.flag() !== higherIsBetter)
    throw better.bad(`${name} is better when it is ${higherIsBetter ? 'higher' : 'lower'}`, 'Remove the key.')
  const evaluated = entries.get('hf_evaluate')
  if (evaluated?.flag() === true)
    throw evaluated.bad('metrics of the library evaluate are not supported', 'Remove this metric.')
  const flag = (key: string) => entries.get(key)?.flag() === true
  const ignored = entries.get('regexes_to_ignore')?.list()
  for (const one of ignored ?? []) one.placed(() => pythonRegex(one.text()))
  return {
    name,
    ...(flag('ignore_case') && { ignoreCase: true }),
    ...(flag('ignore_punctuation') && { ignorePunctuation: true }),
    ...(flag('ignore_numbers') && { ignoreNumbers: true }),
    ...(ignored && { ignore: ignored.map((one) => one.text()) }),
  }
}
