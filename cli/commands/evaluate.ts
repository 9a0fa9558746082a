import { Option, type Command } from 'commander'
import { OnnxModel } from '../../model/index.js'
import { evaluateFile, evaluateTasks, type Evaluation } from '../../puzzle/evaluate-file.js'
import type { Answered } from '../../puzzle/evaluate-tasks.js'
import type { TaskEntry } from '../../data/read-tasks.js'
import type { Estimate } from '../../puzzle/statistics.js'
import { Failure } from '../../api/index.js'
import { action } from '../action.js'
import { wholeNumber } from '../option-values.js'
import { reading, type SpecOptions } from '../options.js'
import { print, printJson } from '../output.js'
import { openRunnable } from '../open-model.js'

interface Options extends SpecOptions {
  readonly data?: string
  readonly column?: string
  readonly tasks?: readonly string[]
  readonly parent?: string
  readonly sequenceLength?: number
  readonly packing: 'documents' | 'continuous'
  readonly beginOfText: 'sequences' | 'documents'
  readonly maxTokens?: number
  readonly batch: number
  readonly threads: number
}

/** Measures any readable model on a text. */
export function evaluateCommand(program: Command): void {
  reading(
    program
      .command('evaluate <model>')
      .description('measure a model: its perplexity on a text, its accuracy on tasks, or both'),
  )
    .option('--data <file>', '.jsonl, .json, .csv, .tsv, .txt (also .gz) or .parquet, like `data` in a spec')
    .option('--column <name>', 'field or column with the text')
    .option(
      '--tasks <path>',
      'tasks to answer: a folder like `tasks` in a spec, or a task of lm-evaluation-harness (.yaml); may be repeated',
      (path: string, before: readonly string[] = []) => [...before, path],
    )
    .option(
      '--parent <model>',
      'compare with this model of the same vocabulary: on the text, and item by item on tasks',
    )
    .option(
      '--sequence-length <n>',
      'tokens per sequence (default: the model’s positions, at most 512)',
      wholeNumber(2),
    )
    .addOption(
      new Option('--packing <kind>', 'how documents fill sequences')
        .choices(['documents', 'continuous'])
        .default('documents'),
    )
    .addOption(
      new Option('--begin-of-text <where>', 'where to put tokens that the tokenizer adds at the beginning of a text')
        .choices(['sequences', 'documents'])
        .default('sequences'),
    )
    .option('--max-tokens <n>', 'predict at most about this many tokens', wholeNumber(1))
    .option('--batch <n>', 'sequences per batch', wholeNumber(1), 8)
    .option('--threads <n>', 'processors to use', wholeNumber(1), 1)
    .action(
      action(async (folder: string, { data, column, parent, ...options }: Options) => {
        requireMeasure(data, options.tasks)
        const model = await openRunnable(folder, options)
        const other = parent === undefined ? undefined : await openRunnable(parent, options)
        const { tasks, ...rest } = options
        const asked = { ...rest, ...(other && { parent: other }), ...(tasks && { tasks: tasks.map(taskEntry) }) }
        const file = data === undefined ? undefined : { path: data, ...(column !== undefined && { column }) }
        const evaluation = file
          ? await evaluateFile(model, file, asked)
          : await evaluateTasks(model, asked.tasks!, asked)
        for (const opened of [model, other]) if (opened instanceof OnnxModel) await opened.release()
        if (options.json) printJson(evaluation)
        else print(asText(evaluation))
      }),
    )
}

/** A file is a task of lm-evaluation-harness. */
const taskEntry = (path: string): TaskEntry => (/\.ya?ml$/.test(path) ? { harness: path } : path)

/** @throws Failure InvalidInput where there is nothing to measure */
function requireMeasure(data: string | undefined, tasks: readonly string[] | undefined): void {
  if (data === undefined && tasks === undefined)
    throw new Failure('InvalidInput', 'There is nothing to measure the model on', {
      remedy: 'Give a text with --data FILE, tasks with --tasks PATH, or both.',
    })
}

function asText(found: Evaluation | Answered): string {
  const rows: [string, string][] = 'loss' in found ? textRows(found) : []
  rows.push(...taskRows(found))
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}

function taskRows({ metrics = {}, accuracy, parentTasks, paired = {} }: Answered): [string, string][] {
  const rows: [string, string][] = []
  for (const [task, own] of Object.entries(metrics)) {
    for (const [metric, estimate] of Object.entries(own)) {
      const name = Object.keys(own).length === 1 && metric === 'acc' ? `task ${task}` : `task ${task}, ${metric}`
      rows.push([name, figure(metric, estimate)])
      const before = parentTasks?.metrics?.[task]?.[metric]
      const difference = paired[task]?.differences[metric]
      if (before && difference)
        rows.push(['  the parent', figure(metric, before)], ['  difference', figure(metric, difference)])
    }
    const { outcomes } = paired[task] ?? {}
    if (outcomes)
      rows.push([
        '  right',
        `both ${outcomes.both}, only the parent ${outcomes.parentOnly}, only the model ${outcomes.childOnly}, neither ${outcomes.neither}`,
      ])
  }
  if (accuracy !== undefined) rows.push(['mean of tasks', share(accuracy)])
  return rows
}

/** A metric with its standard error. */
function figure(metric: string, { value, stderr }: Estimate): string {
  const isShare = /^(acc|exact_match)/.test(metric)
  const own = isShare ? share(value) : number(value)
  if (stderr === null) return own
  return `${own} ± ${isShare ? (100 * stderr).toFixed(2) : stderr.toPrecision(2)}`
}

const number = (value: number): string => value.toPrecision(5)
const share = (value: number): string => `${(100 * value).toFixed(2)} %`

function textRows({ sequences, tokens, loss, perplexity, empty, comparison }: Evaluation): [string, string][] {
  const rows: [string, string][] = [
    ['tokens predicted', `${tokens} in ${sequences} sequences`],
    ['loss, nats per token', number(loss)],
    ['perplexity', number(perplexity)],
  ]
  if (empty !== undefined) rows.push(['null or empty records', `${empty}, left out`])
  if (comparison)
    rows.push(
      ['perplexity of the parent', number(comparison.parentPerplexity)],
      ['KL(parent || model), nats per token', number(comparison.kl)],
      ['same most likely token', share(comparison.top1)],
    )
  return rows
}
