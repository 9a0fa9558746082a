import type { Command } from 'commander'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { dirname } from 'node:path'
import { cacheWeights, OnnxModel, writing } from '../../model/index.js'
import { Failure } from '../../api/index.js'
import { LogitsOf } from '../../puzzle/evaluate-logits.js'
import { writeTensors } from '../../tensor/index.js'
import { action } from '../action.js'
import { wholeNumber } from '../option-values.js'
import { reading, type SpecOptions } from '../options.js'
import { openRunnable } from '../open-model.js'

interface Options extends SpecOptions {
  readonly tokens: string
  readonly output: string
  readonly threads: number
}

/** Logits of token sequences, from any readable model. */
export function logitsCommand(program: Command): void {
  reading(
    program.command('logits <model>').description('compute the logits of token sequences, to compare with other tools'),
  )
    .requiredOption('--tokens <file>', '{"input_ids": [[…], …]}')
    .requiredOption('-o, --output <file>', 'safetensors: logits, float32 [sequences, tokens, vocabulary]')
    .option('--threads <n>', 'processors to use', wholeNumber(1), 1)
    .action(action(logits))
}

async function logits(folder: string, { tokens, output, ...options }: Options): Promise<void> {
  await checkOutput(output)
  const model = await openRunnable(folder, options)
  const { vocabulary } = model.config
  const rows = readRows(tokens, model.config)
  const length = rows[0]!.length
  const all = new Float32Array(rows.length * length * vocabulary)
  const logitsOf = await LogitsOf.create(
    model instanceof OnnxModel ? model : cacheWeights(model),
    length,
    options.threads,
  )
  let at = 0
  for (const row of rows)
    for await (const logits of logitsOf.rows(row)) {
      all.set(logits, at)
      at += vocabulary
    }
  await logitsOf.release()
  if (model instanceof OnnxModel) await model.release()
  await writing(output, () =>
    writeTensors(output, { logits: { dtype: 'float32', dims: [rows.length, length, vocabulary], data: all } }),
  )
}

/** @throws Failure InvalidInput where no file can be written: before anything is computed */
async function checkOutput(output: string): Promise<void> {
  const bad = (message: string) =>
    new Failure('InvalidInput', `${output} ${message}`, {
      file: output,
      remedy: 'Name a file in an existing folder: -o logits.safetensors.',
    })
  if (!existsSync(dirname(output))) throw bad(`cannot be written: there is no folder ${dirname(output)}`)
  const there = statSync(output, { throwIfNoEntry: false })
  if (there?.isDirectory()) throw bad('is a folder')
  // Reports a file that cannot be replaced before the computation, not after it.
  await writing(output, () => access(there ? output : dirname(output), constants.W_OK))
}

/** Sequences of one length.
 *  @throws Failure InvalidInput */
function readRows(
  file: string,
  { vocabulary, maxPositions }: { readonly vocabulary: number; readonly maxPositions: number },
): readonly (readonly number[])[] {
  const bad = (message: string, remedy = 'Write {"input_ids": [[…], …]}, all sequences of the same length.') =>
    new Failure('InvalidInput', `${file}: ${message}`, { file, remedy })
  let rows: unknown
  try {
    rows = (JSON.parse(readFileSync(file, 'utf8')) as { input_ids?: unknown }).input_ids
  } catch (error) {
    throw bad((error as Error).message)
  }
  const valid = (row: unknown): row is number[] =>
    Array.isArray(row) && row.length > 0 && row.every((id) => Number.isInteger(id) && id >= 0 && id < vocabulary)
  if (!Array.isArray(rows) || rows.length === 0 || !rows.every(valid))
    throw bad(`needs {"input_ids": [[…], …]} with ids from 0 to ${vocabulary - 1}`)
  const length = rows[0]!.length
  if (rows.some((row) => row.length !== length)) throw bad('needs sequences of the same length')
  if (length > maxPositions)
    throw bad(
      `has sequences of ${length} tokens, but the model has ${maxPositions} positions`,
      `Shorten them to at most ${maxPositions} tokens.`,
    )
  return rows
}
