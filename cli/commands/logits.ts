import type { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { embed, Forward, Head } from '../../model/index.js'
import { Failure } from '../../plugins/api/index.js'
import { writeTensors } from '../../tensor/index.js'
import { action, reading, type SpecOptions } from '../common.js'
import { openAnyModel } from '../open-model.js'

/** What any readable model says of token sequences. */
export function logitsCommand(program: Command): void {
  reading(program.command('logits <model>').description('logits of token sequences, to compare with other tools'))
    .requiredOption('--tokens <file>', '{"input_ids": [[…], …]}')
    .requiredOption('-o, --output <file>', 'safetensors: logits, float32 [sequences, tokens, vocabulary]')
    .action(action(logits))
}

async function logits(folder: string, options: SpecOptions & { tokens: string; output: string }): Promise<void> {
  const model = await openAnyModel(folder, options)
  const { vocabulary, layers } = model.config
  const bad = (message: string) =>
    new Failure('InvalidInput', `${options.tokens}: ${message}`, { file: options.tokens })
  let rows: unknown
  try {
    rows = (JSON.parse(readFileSync(options.tokens, 'utf8')) as { input_ids?: unknown }).input_ids
  } catch (error) {
    throw bad((error as Error).message)
  }
  const valid = (row: unknown): row is number[] =>
    Array.isArray(row) && row.length > 0 && row.every((id) => Number.isInteger(id) && id >= 0 && id < vocabulary)
  if (!Array.isArray(rows) || rows.length === 0 || !rows.every(valid))
    throw bad('needs {"input_ids": [[…], …]} with ids of the vocabulary')
  const length = rows[0]!.length
  if (rows.some((row) => row.length !== length)) throw bad('needs sequences of one length')
  const forward = new Forward(1, length)
  const head = await Head.create(model)
  const embedding = await model.embedding()
  const out = new Float32Array(rows.length * length * vocabulary)
  for (const [i, row] of rows.entries()) {
    const x = await forward.layers(model, embed(embedding, model.config, Int32Array.from(row)), 0, layers)
    for await (const { start, count, logits } of head.logits(x))
      out.set(logits.subarray(0, count * vocabulary), (i * length + start) * vocabulary)
  }
  await writeTensors(options.output, {
    logits: { dtype: 'float32', dims: [rows.length, length, vocabulary], data: out },
  })
}
