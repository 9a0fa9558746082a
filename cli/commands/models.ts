import type { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { embed, Forward, generate, Head, Tokenizer } from '../../model/index.js'
import { Failure } from '../../plugins/api/index.js'
import { writeTensors } from '../../tensor/index.js'
import { action, positiveNumber, print, printJson, reading, wholeNumber, type SpecOptions } from '../common.js'
import { openAnyModel } from '../open-model.js'

interface GenerateOptions extends SpecOptions {
  readonly prompt?: string
  readonly tokens?: string
  readonly number: number
  readonly temperature: number
  readonly seed: number
  readonly ignoreEos?: boolean
}

/** Trying any readable model. */
export function modelCommands(program: Command): void {
  reading(program.command('generate <model>').description('continue a prompt'))
    .option('--prompt <text>')
    .option('--tokens <ids>', 'token ids, separated by commas, instead of a text')
    .option('-n, --number <n>', 'most tokens', wholeNumber(1), 32)
    .option('--temperature <t>', '0: always the most likely token', positiveNumber, 0)
    .option('--seed <n>', 'of sampling', wholeNumber(0), 1)
    .option('--ignore-eos', 'go on after an end token')
    .action(action(generateText))

  reading(program.command('logits <model>').description('logits of token sequences, to compare with other tools'))
    .requiredOption('--tokens <file>', '{"input_ids": [[…], …]}')
    .requiredOption('-o, --output <file>', 'safetensors: logits, float32 [sequences, tokens, vocabulary]')
    .action(action(logits))
}

async function generateText(folder: string, options: GenerateOptions): Promise<void> {
  const model = await openAnyModel(folder, options)
  const tokenizer = options.tokens === undefined ? Tokenizer.open(folder, model.config.vocabulary) : undefined
  const prompt = options.tokens?.split(',').map(Number) ?? tokenizer!.encode(options.prompt ?? '')
  if (prompt.length === 0 || prompt.some((id) => !Number.isInteger(id) || id < 0 || id >= model.config.vocabulary))
    throw new Failure('InvalidInput', 'The prompt has no tokens, or some that the model does not know', {
      remedy: `Give --prompt TEXT, or --tokens with ids from 0 to ${model.config.vocabulary - 1}.`,
    })
  const found: number[] = []
  let shown = ''
  const stream = generate(model, prompt, {
    maxTokens: options.number,
    temperature: options.temperature,
    seed: options.seed,
    ignoreEos: options.ignoreEos === true,
  })
  for await (const token of stream) {
    found.push(token)
    if (options.json || !tokenizer) continue
    // Decoded anew each time: a character may take several tokens.
    const text = tokenizer.decode([...prompt, ...found])
    process.stdout.write(text.slice(shown.length))
    shown = text
  }
  const text = tokenizer?.decode(found)
  if (options.json) printJson({ prompt, tokens: found, ...(text === undefined ? {} : { text }) })
  else print(tokenizer ? '' : found.join(','))
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
