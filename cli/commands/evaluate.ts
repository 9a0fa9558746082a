import { Option, type Command } from 'commander'
import { OnnxModel } from '../../model/index.js'
import { evaluateFile, evaluateTasks, type Answers, type Evaluation } from '../../puzzle/evaluate-file.js'
import { Failure } from '../../api/index.js'
import { action } from '../action.js'
import { wholeNumber } from '../option-values.js'
import { reading, type SpecOptions } from '../options.js'
import { print, printJson } from '../output.js'
import { openRunnable } from '../open-model.js'

interface Options extends SpecOptions {
  readonly data?: string
  readonly column?: string
  readonly tasks?: string
  readonly parent?: string
  readonly sequenceLength?: number
  readonly packing: 'documents' | 'continuous'
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
    .option('--tasks <folder>', 'tasks to answer, like `tasks` in a spec')
    .option('--parent <model>', 'compare with this model, which has the same vocabulary')
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
    .option('--max-tokens <n>', 'predict at most about this many tokens', wholeNumber(1))
    .option('--batch <n>', 'sequences per batch', wholeNumber(1), 8)
    .option('--threads <n>', 'processors to use', wholeNumber(1), 1)
    .action(
      action(async (folder: string, { data, column, parent, ...options }: Options) => {
        requireMeasure(data, parent, options.tasks)
        const model = await openRunnable(folder, options)
        const other = parent === undefined ? undefined : await openRunnable(parent, options)
        const file = data === undefined ? undefined : { path: data, ...(column !== undefined && { column }) }
        const evaluation = file
          ? await evaluateFile(model, file, { ...options, ...(other && { parent: other }) })
          : await evaluateTasks(model, options.tasks!, options)
        for (const opened of [model, other]) if (opened instanceof OnnxModel) await opened.release()
        if (options.json) printJson(evaluation)
        else print(asText(evaluation))
      }),
    )
}

/** @throws Failure InvalidInput where there is nothing to measure */
function requireMeasure(data: string | undefined, parent: string | undefined, tasks: string | undefined): void {
  if (data !== undefined) return
  const remedy = 'Give a text with --data FILE, tasks with --tasks FOLDER, or both.'
  if (tasks === undefined) throw new Failure('InvalidInput', 'There is nothing to measure the model on', { remedy })
  if (parent !== undefined)
    throw new Failure('InvalidInput', '--parent compares the models on a text, but none is given', { remedy })
}

function asText(found: Evaluation | Answers): string {
  const { tasks = {}, accuracy } = found
  const rows: [string, string][] = 'loss' in found ? textRows(found) : []
  for (const [name, value] of Object.entries(tasks)) rows.push([`task ${name}`, share(value)])
  if (accuracy !== undefined) rows.push(['mean of tasks', share(accuracy)])
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
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
