import { InvalidArgumentError, type Command } from 'commander'
import { ChatTemplate, generateAll, StreamedText, Tokenizer, type Model } from '../../model/index.js'
import { Failure } from '../../plugins/api/index.js'
import { action, log, positiveNumber, print, printJson, reading, wholeNumber, type SpecOptions } from '../common.js'
import { openAnyModel } from '../open-model.js'

interface Options extends SpecOptions {
  readonly prompt: readonly string[]
  readonly tokens: readonly string[]
  readonly chat?: boolean
  readonly system?: string
  readonly number: number
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
  readonly repetitionPenalty?: number
  readonly seed: number
  readonly stop: readonly string[]
  readonly ignoreEos?: boolean
  readonly threads: number
}

const again = (text: string, before: readonly string[]): readonly string[] => [...before, text]
const sampled = ' (with --temperature)'

/** Continues texts with any readable model. */
export function generateCommand(program: Command): void {
  reading(program.command('generate <model>').description('continue a prompt, or several'))
    .option('--prompt <text>', 'again for more: those of as many tokens are decoded side by side', again, [])
    .option('--tokens <ids>', 'token ids, separated by commas, instead of a text; again for more', again, [])
    .option('--chat', 'each prompt is what a user says, in the model’s chat template')
    .option('--system <text>', 'with --chat: what the system says first')
    .option('-n, --number <n>', 'most tokens', wholeNumber(1), 32)
    .option('--temperature <t>', '0: always the most likely token', positiveNumber, 0)
    .option('--top-k <n>', `only so many of the most likely tokens${sampled}`, wholeNumber(1))
    .option('--top-p <p>', `only the most likely tokens that together have this probability${sampled}`, probability)
    .option('--repetition-penalty <x>', 'makes tokens that are there less likely; 1: not', factor)
    .option('--seed <n>', 'of sampling', wholeNumber(0), 1)
    .option('--stop <text>', 'ends before this text; again for more', again, [])
    .option('--ignore-eos', 'go on after an end token')
    .option('--threads <n>', 'processors that it takes', wholeNumber(1), 1)
    .action(action(run))
}

const probability = (text: string): number => {
  const value = positiveNumber(text)
  if (value === 0 || value > 1) throw new InvalidArgumentError('It must be above 0, and 1 at most.')
  return value
}

const factor = (text: string): number => {
  const value = positiveNumber(text)
  if (value === 0) throw new InvalidArgumentError('It must be above 0.')
  return value
}

async function run(folder: string, options: Options): Promise<void> {
  checkTogether(options)
  const model = await openAnyModel(folder, options)
  const byText = options.tokens.length === 0
  const tokenizer = byText ? Tokenizer.open(folder, model.config.vocabulary) : undefined
  const prompts = tokenizer ? textPrompts(folder, tokenizer, options) : options.tokens.map(tokenIds)
  for (const prompt of prompts) checkPrompt(prompt, model)
  const room = model.config.maxPositions - Math.max(...prompts.map(({ length }) => length))
  if (room < options.number) log(`The model knows ${model.config.maxPositions} positions: at most ${room} tokens come.`)

  const texts = tokenizer && prompts.map((prompt) => new StreamedText(tokenizer, prompt, options.stop))
  const found: number[][] = prompts.map(() => [])
  // Of several texts none can be shown before the one above it is whole.
  const streams = texts?.length === 1 && !options.json
  if (streams) process.stdout.write(tokenizer!.decode(prompts[0]!))
  const tokens = generateAll(model, prompts, {
    ...options,
    maxTokens: Math.min(options.number, room),
    ignoreEos: options.ignoreEos === true,
    isOver: (_, sequence) => texts?.[sequence]!.stopped === true,
  })
  for await (const { sequence, token } of tokens) {
    found[sequence]!.push(token)
    const sure = texts?.[sequence]!.add(token)
    if (streams) process.stdout.write(sure!)
  }
  const ends = texts?.map((text) => text.end())
  if (options.json) {
    const all = prompts.map((prompt, i) => ({
      prompt,
      tokens: found[i],
      ...(texts && { text: texts[i]!.whole }),
    }))
    printJson(all.length === 1 ? all[0] : { sequences: all })
  } else if (streams) print(ends![0]!)
  else
    print(
      prompts.map((prompt, i) => (texts ? tokenizer.decode(prompt) + texts[i]!.whole : found[i]!.join())).join('\n\n'),
    )
}

/** @throws Failure InvalidInput for options that mean nothing together, before any weight is read */
function checkTogether({ prompt, tokens, chat, system, stop, temperature, topK, topP }: Options): void {
  const bad = (message: string, remedy: string) => new Failure('InvalidInput', message, { remedy })
  if (prompt.length > 0 === tokens.length > 0)
    throw bad(
      prompt.length > 0 ? '--prompt and --tokens are both given' : 'There is no prompt',
      'Give --prompt TEXT, or --tokens IDS, once or more.',
    )
  if (tokens.length > 0 && (chat || stop.length > 0))
    throw bad(`${chat ? '--chat' : '--stop'} works on text, and there are only token ids`, 'Give --prompt TEXT.')
  if (system !== undefined && !chat) throw bad('--system says something to nobody', 'Give --chat too.')
  if (stop.includes('')) throw bad('--stop is empty: every text would end at once', 'Leave it out.')
  if (temperature === 0 && (topK ?? topP) !== undefined)
    throw bad(
      `--top-${topK === undefined ? 'p' : 'k'} chooses among tokens, but at temperature 0 the most likely one is always taken`,
      'Give --temperature 1, for instance.',
    )
}

function textPrompts(folder: string, tokenizer: Tokenizer, { prompt, chat, system }: Options): number[][] {
  if (!chat) return prompt.map((text) => tokenizer.encode(text))
  const template = ChatTemplate.open(folder)
  const before = system === undefined ? [] : [{ role: 'system', content: system }]
  // The template writes special tokens itself.
  return prompt.map((content) =>
    tokenizer.encode(template.render([...before, { role: 'user', content }], { addGenerationPrompt: true }), {
      special: false,
    }),
  )
}

const tokenIds = (text: string): number[] => text.split(',').map((id) => (/^\s*\d+\s*$/.test(id) ? Number(id) : NaN))

function checkPrompt(prompt: readonly number[], { config: { vocabulary, maxPositions } }: Model): void {
  if (prompt.length === 0 || prompt.some((id) => !(id < vocabulary)))
    throw new Failure('InvalidInput', 'The prompt has no tokens, or some that the model does not know', {
      remedy: `Give --prompt TEXT, or --tokens with ids from 0 to ${vocabulary - 1}.`,
    })
  if (prompt.length >= maxPositions)
    throw new Failure(
      'InvalidInput',
      `The prompt has ${prompt.length} tokens, and the model ${maxPositions} positions`,
      {
        remedy: 'Shorten it.',
      },
    )
}
