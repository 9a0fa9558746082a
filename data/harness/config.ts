import { basename } from 'node:path'
import type { GenerationTask, Metric } from '../task.js'
import { splitsOf, type Splits } from './data-set.js'
import type { Field } from './field.js'
import { filtersOf, generationOf } from './generation.js'
import { metricsOf, outputTypes, type OutputType } from './metrics.js'
import { Source, type Doc } from './source.js'
import type { YamlTask } from './yaml-file.js'
import { entryOf, shown } from '../../errors/foreign.js'

/** How a document becomes text. */
export interface Wording {
  readonly text: Source
  readonly target: Source
  readonly choice?: Source
  readonly targetDelimiter: string
}

/** Examples before the question. */
export interface Shots {
  readonly count: number
  /** The split that they come from, or the examples themselves. */
  readonly from: { readonly split: string } | { readonly samples: readonly Doc[] }
  /** Whether the harness leaves out the question itself, wherever it comes from. */
  readonly excluding: boolean
  readonly wording: Wording
  readonly delimiter: string
}

/** A task of lm-evaluation-harness, as far as it is understood here: what is not is refused. */
export interface HarnessTask {
  readonly name: string
  readonly type: OutputType
  readonly splits: Splits
  readonly validation?: string
  readonly test?: string
  readonly description?: Source
  readonly wording: Wording
  readonly shots?: Shots
  readonly metrics: readonly Metric[]
  readonly generation: Pick<GenerationTask, 'until' | 'most' | 'filters'>
}

/** Keys that change nothing that is measured. */
const silent = [
  'task_alias',
  'tag',
  'metadata',
  'dataset_name',
  'should_decontaminate',
  'doc_to_decontamination_query',
] as const

const known = [
  'task',
  'dataset_path',
  'dataset_kwargs',
  'training_split',
  'validation_split',
  'test_split',
  'fewshot_split',
  'fewshot_config',
  'fewshot_delimiter',
  'num_fewshot',
  'output_type',
  'doc_to_text',
  'doc_to_target',
  'doc_to_choice',
  'target_delimiter',
  'description',
  'generation_kwargs',
  'filter_list',
  'metric_list',
  'repeats',
  'unsafe_code',
] as const

const oneByOne = 'Name the YAML file of each task in the spec instead.'

/** Keys of the harness that are refused, and what to do instead. */
const refused: Readonly<Record<string, string>> = {
  group: oneByOne,
  group_alias: oneByOne,
  aggregate_metric_list: oneByOne,
  task_list: oneByOne,
  custom_dataset: 'Write the data as a file of JSON lines or Parquet.',
  process_docs: 'Write the processed documents as a file of JSON lines or Parquet.',
  process_results: 'Use metric_list and filter_list.',
  doc_to_image: 'Only text models can be measured.',
  doc_to_audio: 'Only text models can be measured.',
  use_prompt: 'Write the prompt as doc_to_text.',
  gen_prefix: 'Write it at the end of doc_to_text.',
}

/** What a YAML file says of a task. @throws Failure InvalidInput with file, line and column */
export function harnessTask(yaml: YamlTask): HarnessTask {
  const { fields } = yaml
  for (const [key, field] of fields) {
    const remedy = entryOf(refused, key)
    if (remedy !== undefined) throw field.bad(`${key} is not supported`, remedy, 'key')
  }
  checkKeys(fields)
  const text = (key: string) => fields.get(key)?.text()
  const name = text('task') ?? basename(yaml.files[0]!).replace(/\.ya?ml$/, '')
  if (!/^[\w.+:/ -]{1,100}$/.test(name))
    throw fields.get('task')!.bad(`"${name}" is not a valid name for a task`, 'Use letters, digits, - and _.')
  const repeats = fields.get('repeats')
  if (repeats && repeats.value !== 1)
    throw repeats.bad('repeats are not supported: greedy decoding gives the same text every time', 'Remove the key.')
  const unsafe = fields.get('unsafe_code')
  if (unsafe?.flag() === true) throw unsafe.bad('code is not run', 'Use a task that needs none.')

  const type = typeOf(fields.get('output_type'))
  const splits = splitsOf(fields)
  const split = (key: string): string | undefined => {
    const field = fields.get(key)
    if (field && !splits.has(field.text()))
      throw field.bad(`data_files has no split "${field.text()}"`, `It has ${[...splits.keys()].join(', ')}.`)
    return field?.text()
  }
  const [validation, test] = [split('validation_split'), split('test_split')]
  const first = [...fields.values()][0]!
  if (validation === undefined && test === undefined)
    throw first.bad(
      'the task names neither test_split nor validation_split',
      `Write \`test_split: ${[...splits.keys()][0]}\`.`,
      'key',
    )

  const target = (key: string, fallback: Source | undefined): Source => {
    const field = fields.get(key)
    if (field) return new Source(field)
    if (fallback) return fallback
    throw first.bad(`the task has no ${key}`, `Write it: a field, or a template: \`${key}: "{{question}}"\`.`, 'key')
  }
  const choice = fields.get('doc_to_choice')
  if (type === 'multiple_choice' && !choice)
    throw first.bad('the task has no doc_to_choice', 'Write the choices: a field, a list, or a template.', 'key')
  // What is before a whole text is not read.
  const question =
    type === 'loglikelihood_rolling' && !fields.has('doc_to_text') ? target('doc_to_target', undefined) : undefined
  const wording: Wording = {
    text: target('doc_to_text', question),
    target: target('doc_to_target', undefined),
    ...(choice && { choice: new Source(choice) }),
    targetDelimiter: text('target_delimiter') ?? ' ',
  }
  const description = fields.get('description')
  const fewshotDelimiter = text('fewshot_delimiter') ?? '\n\n'
  const metrics = metricsOf(fields.get('metric_list'), type)
  const filters = fields.get('filter_list')
  if (filters && type !== 'generate_until')
    throw filters.bad(`filters are for output_type generate_until, not ${type}`, 'Remove filter_list.', 'key')
  const shots = shotsOf(fields, wording, fewshotDelimiter, {
    training: split('training_split'),
    validation,
    test,
    fewshot: split('fewshot_split'),
    has: splits,
  })
  return {
    name,
    type,
    splits,
    ...(validation !== undefined && { validation }),
    ...(test !== undefined && { test }),
    ...(description && { description: new Source(description) }),
    wording,
    ...(shots && { shots }),
    metrics,
    generation: { ...generationOf(fields.get('generation_kwargs'), fewshotDelimiter), filters: filtersOf(filters) },
  }
}

function checkKeys(fields: ReadonlyMap<string, Field>): void {
  for (const [key, field] of fields) {
    if ([...known, ...silent].includes(key as (typeof known)[number])) continue
    throw field.bad(`a task has no key "${key}"`, 'Remove it, or correct its name.', 'key')
  }
}

function typeOf(field: Field | undefined): OutputType {
  // As in the harness.
  if (!field) return 'generate_until'
  const type = outputTypes.find((own) => own === field.value)
  if (!type) throw field.bad(`${shown(field.value)} is not an output_type`, `Use ${outputTypes.join(', ')}.`)
  return type
}

interface NamedSplits {
  readonly training: string | undefined
  readonly validation: string | undefined
  readonly test: string | undefined
  readonly fewshot: string | undefined
  readonly has: Splits
}

/** Most examples before a question. */
const mostShots = 1000

function shotsOf(
  fields: ReadonlyMap<string, Field>,
  own: Wording,
  delimiter: string,
  { training, validation, test, fewshot, has }: NamedSplits,
): Shots | undefined {
  const number = fields.get('num_fewshot')
  const config = fields.get('fewshot_config')
  const entries = config?.entries([
    'sampler',
    'split',
    'samples',
    'doc_to_text',
    'doc_to_target',
    'doc_to_choice',
    'fewshot_delimiter',
    'target_delimiter',
  ])
  const source = (key: string, fallback: Source | undefined) => {
    const field = entries?.get(key)
    return field ? new Source(field) : fallback
  }
  const sampler = entries?.get('sampler')
  if (sampler && sampler.text() !== 'first_n' && sampler.text() !== 'default')
    throw sampler.bad(`the sampler "${sampler.text()}" is not supported`, 'Write `sampler: first_n`.')
  const count = number?.whole(0, mostShots) ?? 0
  if (count === 0) return undefined
  if (sampler?.text() !== 'first_n')
    throw (sampler ?? number!).bad(
      'the harness draws examples at random; here they are not',
      'Write `fewshot_config: {sampler: first_n}`: the first documents of the split.',
    )
  const choice = source('doc_to_choice', own.choice)
  const wording: Wording = {
    text: source('doc_to_text', own.text)!,
    target: source('doc_to_target', own.target)!,
    ...(choice && { choice }),
    targetDelimiter: entries?.get('target_delimiter')?.text() ?? own.targetDelimiter,
  }
  const split = entries?.get('split')
  if (split && !has.has(split.text()))
    throw split.bad(`data_files has no split "${split.text()}"`, `It has ${[...has.keys()].join(', ')}.`)
  const named = split?.text() ?? fewshot
  const excluding = named === test
  const rest = { count, wording, excluding, delimiter: entries?.get('fewshot_delimiter')?.text() ?? delimiter }
  const samples = entries?.get('samples')
  if (named === undefined && samples)
    return { ...rest, from: { samples: samples.list().map((sample) => (sample.entries(), sample.value as Doc)) } }
  return { ...rest, from: { split: (named ?? training ?? validation ?? test)! } }
}
