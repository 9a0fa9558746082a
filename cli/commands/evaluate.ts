import { Option, type Command } from 'commander'
import { OnnxModel } from '../../model/index.js'
import { evaluateFile, type Evaluation } from '../../plugins/evaluate-file.js'
import { action, print, printJson, reading, wholeNumber, type SpecOptions } from '../common.js'
import { openRunnable } from '../open-model.js'

interface Options extends SpecOptions {
  readonly data: string
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
    program.command('evaluate <model>').description('perplexity of a model on a text, and what it answers to tasks'),
  )
    .requiredOption('--data <file>', '.txt, .jsonl (also .gz) or .parquet, as `data` of a spec')
    .option('--column <name>', 'field or column with the text')
    .option('--tasks <folder>', 'tasks to answer, as `tasks` of a spec')
    .option('--parent <model>', 'compares with this model of the same vocabulary')
    .option(
      '--sequence-length <n>',
      'tokens that are seen at once (default: the model’s positions, 512 at most)',
      wholeNumber(2),
    )
    .addOption(
      new Option('--packing <kind>', 'how documents fill sequences')
        .choices(['documents', 'continuous'])
        .default('documents'),
    )
    .option('--max-tokens <n>', 'no more than about so many are predicted', wholeNumber(1))
    .option('--batch <n>', 'sequences at once', wholeNumber(1), 8)
    .option('--threads <n>', 'processors that it takes', wholeNumber(1), 1)
    .action(
      action(async (folder: string, { data, column, parent, ...options }: Options) => {
        const model = await openRunnable(folder, options)
        const other = parent === undefined ? undefined : await openRunnable(parent, options)
        const file = { path: data, ...(column !== undefined && { column }) }
        const found = await evaluateFile(model, file, { ...options, ...(other && { parent: other }) })
        for (const own of [model, other]) if (own instanceof OnnxModel) await own.release()
        if (options.json) printJson(found)
        else print(asText(found))
      }),
    )
}

function asText({ sequences, tokens, loss, perplexity, tasks = {}, accuracy, comparison }: Evaluation): string {
  const number = (value: number) => value.toPrecision(5)
  const rows: [string, string][] = [
    ['tokens predicted', `${tokens} in ${sequences} sequences`],
    ['loss, nats per token', number(loss)],
    ['perplexity', number(perplexity)],
    ...(comparison
      ? ([
          ['perplexity of the parent', number(comparison.parentPerplexity)],
          ['KL(parent || model), nats per token', number(comparison.kl)],
          ['same most likely token', `${(100 * comparison.top1).toFixed(2)} %`],
        ] satisfies [string, string][])
      : []),
    ...Object.entries(tasks).map(([name, share]): [string, string] => [
      `task ${name}`,
      `${(100 * share).toFixed(2)} %`,
    ]),
    ...(accuracy === undefined
      ? []
      : ([['mean of tasks', `${(100 * accuracy).toFixed(2)} %`]] satisfies [string, string][])),
  ]
  const width = Math.max(...rows.map(([name]) => name.length))
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n')
}
