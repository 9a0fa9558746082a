import { dividedEach, type Tokenizer } from '../../model/index.js'
import { Failure } from '../../api/index.js'
import { unreachable } from '../../errors/unreachable.js'
import type { AnyItem, AnswerItem, ChoiceItem, GenerationItem, TaskForm, TextItem } from '../task.js'
import type { HarnessTask } from './config.js'
import { beginning, type Prompts } from './prompts.js'
import { problem, type Doc } from './source.js'
import { shown } from '../../errors/foreign.js'

/** What items are made for. */
export interface Reader {
  readonly tokenizer: Tokenizer
  /** Positions that the model can read. */
  readonly positions: number
}

/** Longest window of a whole text, in tokens: attention takes memory by its square. */
const longestWindow = 2048

/** The task without its items. */
export function formOf({ type, metrics, generation }: HarnessTask): TaskForm {
  const own = { chance: 0, metrics }
  switch (type) {
    case 'multiple_choice':
      return { ...own, kind: 'choices' }
    case 'generate_until':
      return { ...own, kind: 'generations', ...generation }
    case 'loglikelihood':
      return own
    case 'loglikelihood_rolling':
      return { ...own, kind: 'texts' }
    default:
      return unreachable(type)
  }
}

/** The item that a document becomes. @throws Failure InvalidInput without a place for what is wrong with the document */
export function itemOf(task: HarnessTask, prompts: Prompts, doc: Doc, reader: Reader): AnyItem {
  switch (task.type) {
    case 'multiple_choice':
      return choiceItem(task, prompts.context(doc), doc, reader)
    case 'generate_until':
      return generationItem(task, prompts.context(doc), doc, reader)
    case 'loglikelihood':
      return fitting(dividedEach(reader.tokenizer, prompts.context(doc), [targetText(task, doc)])[0]!, reader)
    case 'loglikelihood_rolling':
      return textItem(targetText(task, doc), reader)
    default:
      return unreachable(task.type)
  }
}

function targetText({ wording: { target } }: HarnessTask, doc: Doc): string {
  const text = target.text(doc)
  if (text === '') throw problem(target.field, 'gives no text')
  return text
}

function choiceItem({ wording }: HarnessTask, context: string, doc: Doc, reader: Reader): ChoiceItem {
  const choices = wording.choice!.choices(doc)
  const pairs = dividedEach(
    reader.tokenizer,
    context,
    choices.map((choice) => wording.targetDelimiter + choice),
  ).map((pair) => fitting(pair, reader))
  // The longest answer leaves the least room for the prompt, which is the same for all.
  const prompt = pairs.reduce((a, b) => (b.prompt.length < a.length ? b.prompt : a), pairs[0]!.prompt)
  return {
    prompt,
    choices: pairs.map(({ answer }, i) => ({
      answer,
      characters: Array.from(choices[i]!).length,
      bytes: Buffer.byteLength(choices[i]!),
    })),
    gold: goldOf(wording.target.target(doc, true), choices, (message) =>
      problem(wording.target.field, message, 'Correct or leave out the document: it has no right choice.'),
    ),
  }
}

/** Indices of the right choices. */
function goldOf(target: unknown, choices: readonly string[], bad: (message: string) => Failure): readonly number[] {
  if (Array.isArray(target)) {
    if (target.length === 0) throw bad('gives an empty list')
    return target.flatMap((own) => goldOf(own, choices, bad))
  }
  if (typeof target === 'string') {
    const at = choices.indexOf(target)
    if (at < 0) throw bad(`gives ${shown(target)}, which is not one of the choices`)
    return [at]
  }
  if (typeof target !== 'number' || !Number.isInteger(target) || target < 0 || target >= choices.length)
    throw bad(
      `gives ${target === undefined ? 'nothing' : shown(target)}, not the index of one of ${choices.length} choices (from 0)`,
    )
  return [target]
}

function generationItem(
  task: HarnessTask,
  context: string,
  doc: Doc,
  { tokenizer, positions }: Reader,
): GenerationItem {
  const { wording, generation } = task
  const room = positions - generation.most
  if (room < 1)
    throw new Failure(
      'InvalidInput',
      `${generation.most} tokens are to be generated, but the model has only ${positions} positions`,
      {
        remedy: 'Write a smaller max_gen_toks in generation_kwargs.',
      },
    )
  const target = wording.target.target(doc, wording.choice !== undefined)
  const chosen = wording.choice && typeof target === 'number' ? wording.choice.choices(doc)[target] : target
  const gold = (Array.isArray(chosen) ? chosen : [chosen]).map((own: unknown) => {
    if (typeof own === 'number' && Number.isInteger(own)) return String(own)
    if (typeof own !== 'string')
      throw problem(
        wording.target.field,
        `gives ${own === undefined ? 'nothing' : shown(own)}, not a text`,
        'Use a template: "{{FIELD}}".',
      )
    return own
  })
  if (gold.length === 0) throw problem(wording.target.field, 'gives an empty list')
  return { prompt: beginning(tokenizer, tokenizer.encode(context)).slice(-room), gold }
}

function textItem(text: string, { tokenizer, positions }: Reader): TextItem {
  const ids = tokenizer.encode(text, { special: false })
  if (ids.length === 0) throw new Failure('InvalidInput', 'the text has no tokens')
  const prefix = beginning(tokenizer, [])
  const most = Math.min(positions, longestWindow)
  const windows: AnswerItem[] = [{ prompt: prefix, answer: ids.slice(0, most) }]
  for (let done = most; done < ids.length;) {
    const end = Math.min(ids.length, done + most)
    // The last window is filled up with what is before it.
    windows.push({ prompt: ids.slice(Math.max(0, end - most - 1), done), answer: ids.slice(done, end) })
    done = end
  }
  return { windows, words: text.split(/\s+/).length, bytes: Buffer.byteLength(text) }
}

/** A pair that the model can read: what is too long loses the beginning of its prompt, as in the harness. */
function fitting({ prompt, answer }: AnswerItem, { tokenizer, positions }: Reader): AnswerItem {
  if (answer.length === 0) throw new Failure('InvalidInput', 'an answer has no tokens')
  if (answer.length > positions)
    throw new Failure(
      'InvalidInput',
      `an answer has ${answer.length} tokens, but the model has only ${positions} positions`,
    )
  return { prompt: beginning(tokenizer, prompt).slice(-(positions + 1 - answer.length)), answer }
}
