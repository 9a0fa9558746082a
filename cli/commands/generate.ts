import { InvalidArgumentError, type Command } from 'commander'
import {
  generateAll,
  OnnxModel,
  readGenerationConfig,
  StreamedText,
  type GenerationConfig,
  type SamplingOptions,
} from '../../model/index.js'
import { Failure } from '../../api/index.js'
import { action } from '../action.js'
import { positiveNumber, wholeNumber } from '../option-values.js'
import { reading, type SpecOptions } from '../options.js'
import { log, printJson, printText } from '../output.js'
import { openRunnable } from '../open-model.js'
import { readPrompts, type PromptOptions } from '../prompts.js'

interface Options extends SpecOptions, PromptOptions {
  readonly number: number
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly repetitionPenalty?: number
  readonly seed: number
  readonly stop: readonly string[]
  readonly ignoreEos?: boolean
  readonly batch: number
  readonly threads: number
}

const again = (text: string, before: readonly string[]): readonly string[] => [...before, text]
const sampled = ' (with --temperature)'

/** Continues texts with any readable model. */
export function generateCommand(program: Command): void {
  reading(program.command('generate <model>').description('continue one or more prompts'))
    .option('--prompt <text>', 'repeat for more; prompts of equal length in tokens are decoded together', again, [])
    .option('--tokens <ids>', 'token ids separated by commas, instead of a text; repeat for more', again, [])
    .option(
      '--prompts <file>',
      'a .txt file with one prompt per line, or .jsonl, .csv or .parquet like `data` in a spec',
    )
    .option('--chat', 'treat each prompt as a user’s message in the model’s chat template')
    .option('--system <text>', 'with --chat: the system message')
    .option('-n, --number <n>', 'most tokens', wholeNumber(1), 32)
    .option(
      '--temperature <t>',
      '0: always the most likely token (default: 0, unless generation_config.json says do_sample)',
      positiveNumber,
    )
    .option('--top-k <n>', `choose among this many of the most likely tokens${sampled}`, wholeNumber(1))
    .option(
      '--top-p <p>',
      `choose among the most likely tokens that together have this probability${sampled}`,
      probability,
    )
    .option('--repetition-penalty <x>', 'make tokens that already occur less likely; 1: no change', factor)
    .option('--seed <n>', 'of sampling', wholeNumber(0), 1)
    .option('--stop <text>', 'stop before this text; repeat for more', again, [])
    .option('--ignore-eos', 'continue after an end token')
    .option('--batch <n>', 'maximum number of prompts to decode together', wholeNumber(1), 16)
    .option('--threads <n>', 'processors to use', wholeNumber(1), 1)
    .action(action(run))
}

const probability = (text: string): number => {
  const value = positiveNumber(text)
  if (value === 0 || value > 1) throw new InvalidArgumentError('It must be above 0 and at most 1.')
  return value
}

const factor = (text: string): number => {
  const value = positiveNumber(text)
  if (value === 0) throw new InvalidArgumentError('It must be above 0.')
  return value
}

async function run(folder: string, options: Options): Promise<void> {
  checkTogether(options)
  const model = await openRunnable(folder, options)
  const sampling = samplingOf(options, await readGenerationConfig(folder))
  const { ids: prompts, tokenizer } = await readPrompts(folder, model.config, options)
  if (options.stop.length > 0 && !tokenizer)
    throw new Failure('InvalidInput', `--stop works on text, but ${options.prompts} holds only token ids`, {
      remedy: 'Leave it out, or give texts.',
    })
  const { maxPositions } = model.config
  const least = maxPositions - Math.max(...prompts.map(({ length }) => length))
  if (least < options.number)
    log(
      `The model has ${maxPositions} positions: at most ${least} tokens fit${prompts.length > 1 ? ' after the longest prompt' : ''}.`,
    )

  const texts = tokenizer && prompts.map((prompt) => new StreamedText(tokenizer, prompt, options.stop))
  const generated: number[][] = prompts.map(() => [])
  // Of several texts one is shown once it and those above it are whole.
  const streams = texts?.length === 1 && !options.json
  if (streams) printText(tokenizer!.decode(prompts[0]!))
  const whole = new Set<number>()
  let shown = 0
  const show = (sequence: number) => {
    for (whole.add(sequence); whole.has(shown); shown++) {
      const text = texts ? tokenizer.decode(prompts[shown]!) + texts[shown]!.whole : generated[shown]!.join()
      printText(shown === 0 ? `${text}\n` : `\n${text}\n`)
    }
  }
  const tokens = generateAll(model, prompts, {
    ...sampling,
    maxTokens: options.number,
    ignoreEos: options.ignoreEos === true,
    isOver: ({ length }, sequence) =>
      texts?.[sequence]!.stopped === true || prompts[sequence]!.length + length >= maxPositions,
    ...(!streams && !options.json && { onEnd: show }),
    batch: options.batch,
    threads: options.threads,
  })
  for await (const { sequence, token } of tokens) {
    generated[sequence]!.push(token)
    const sure = texts?.[sequence]!.add(token)
    if (streams) printText(sure!)
  }
  if (model instanceof OnnxModel) await model.release()
  if (streams) printText(`${texts[0]!.end()}\n`)
  if (!options.json) return
  const all = prompts.map((prompt, i) => ({ prompt, tokens: generated[i], ...(texts && { text: texts[i]!.whole }) }))
  printJson(all.length === 1 ? all[0] : { sequences: all })
}

/** @throws Failure InvalidInput for options that mean nothing together, before anything is read */
function checkTogether({ prompt, tokens, prompts, chat, system, stop }: Options): void {
  const bad = (message: string, remedy: string) => new Failure('InvalidInput', message, { remedy })
  const given = [prompt.length > 0 && '--prompt', tokens.length > 0 && '--tokens', prompts !== undefined && '--prompts']
  const names = given.filter((name) => name !== false)
  if (names.length !== 1)
    throw bad(
      names.length > 1 ? `${names.join(' and ')} cannot be combined` : 'There is no prompt',
      'Give --prompt TEXT or --tokens IDS, once or more, or --prompts FILE.',
    )
  if (tokens.length > 0 && (chat || stop.length > 0))
    throw bad(`${chat ? '--chat' : '--stop'} works on text, but there are only token ids`, 'Give --prompt TEXT.')
  if (system !== undefined && !chat) throw bad('--system needs --chat', 'Add --chat.')
  if (stop.includes('')) throw bad('--stop is empty: every text would end at once', 'Leave it out.')
}

/** What the user says comes before what the model's generation_config.json says.
 *  @throws Failure InvalidInput where tokens are chosen among that are not drawn */
function samplingOf(options: Options, defaults: GenerationConfig): SamplingOptions {
  const { topK, topP, seed } = options
  const temperature = options.temperature ?? (defaults.sample ? defaults.temperature : 0)
  const penalty = options.repetitionPenalty ?? defaults.repetitionPenalty
  const always = { seed, ...(penalty !== undefined && { repetitionPenalty: penalty }) }
  if (!temperature) {
    if ((topK ?? topP) === undefined) return always
    const name = topK === undefined ? `--top-p ${topP}` : `--top-k ${topK}`
    throw new Failure('InvalidInput', `${name} has no effect: at temperature 0 the most likely token is always taken`, {
      remedy: 'Give --temperature 1, for instance.',
    })
  }
  if (options.temperature === undefined)
    log(
      `Tokens are drawn at temperature ${temperature}, as generation_config.json says; --temperature 0 always takes the most likely one.`,
    )
  const [k, p] = [topK ?? defaults.topK, topP ?? defaults.topP]
  return { ...always, temperature, ...(k !== undefined && { topK: k }), ...(p !== undefined && { topP: p }) }
}
