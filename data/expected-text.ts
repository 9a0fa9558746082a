import { DocumentEncoder, readDocuments, type DataFile, type Document } from './documents.js'
import { beginOfText, Packer, type BeginOfText, type Packing } from './packing.js'
import { readSplitTasks, type TasksInput } from './read-tasks.js'
import type { TaskItems } from './task.js'

/** Characters, about, that are tokenised to estimate the rest. */
const charactersTokenised = 2 ** 16

/** Characters to read: no number of passes is given for larger files. */
const charactersCounted = 2 ** 25

/** Items of each task that are read to estimate the rest. */
const itemsRead = 8

/** Sequences that are kept of those that do not begin as texts do. */
const unbegunKept = 4

/** Estimate of what a file becomes. */
export interface ExpectedText {
  /** Infinity: of a large file. */
  readonly sequences: number
  /** Tokens of a sequence, without padding. */
  readonly tokens: number
  /** Seconds in which a sequence is made of its text, by one thread. */
  readonly seconds: number
  /** Null and empty records in what was looked at. */
  readonly empty: number
  /** Sequences that do not begin with the tokens that the tokenizer puts at the beginning of a text: the first few. */
  readonly unbegun: readonly (readonly number[])[]
  /** These tokens; none for many tokenizers. */
  readonly begin: readonly number[]
}

/** How documents become sequences. */
interface Packed {
  readonly packing: Packing
  readonly beginOfText?: BeginOfText
  readonly maxSequences?: number
  readonly length: number
}

/** What a search reads. */
interface Inputs {
  /** Whose tokenizer is used. */
  readonly model: string
  readonly data?: Readonly<Partial<Record<'train' | 'validate' | 'test', DataFile>>>
  readonly tasks?: TasksInput
}

// Several stages estimate the same: by the inputs of a plan, and what is asked of them.
const known = new WeakMap<Inputs, Map<string, Promise<unknown>>>()

function once<T>(inputs: Inputs, what: unknown, compute: () => Promise<T>): Promise<T> {
  const all = known.get(inputs) ?? new Map<string, Promise<unknown>>()
  known.set(inputs, all)
  const key = JSON.stringify(what)
  if (!all.has(key)) all.set(key, compute())
  return all.get(key) as Promise<T>
}

/** Estimates the sequences of a file from its beginning; undefined where there is no such file. */
export async function expectedText(
  inputs: Inputs,
  name: 'train' | 'validate' | 'test',
  how: Packed,
): Promise<ExpectedText | undefined> {
  const file = inputs.data?.[name]
  return file && once(inputs, [name, how], () => lookAt(new DocumentEncoder(inputs.model, Infinity), file, how))
}

async function lookAt(encoder: DocumentEncoder, file: DataFile, how: Packed): Promise<ExpectedText> {
  const { packing, maxSequences = Infinity, length } = how
  const packer = new Packer(packing, length, 0, beginOfText(how, encoder))
  const { begin } = encoder
  const unbegun: (readonly number[])[] = []
  let microseconds = 0
  let [sequences, tokens, tokenised, characters, empty] = [0, 0, 0, 0, 0]
  const add = (all: Iterable<readonly number[]>) => {
    for (const ids of all) {
      ;[sequences, tokens] = [sequences + 1, tokens + ids.length]
      if (unbegun.length < unbegunKept && begin.some((id, i) => ids[i] !== id)) unbegun.push(ids)
    }
  }
  for await (const document of readDocuments(file, Infinity)) {
    characters += sizeOf(document)
    if (document.kind === 'empty') empty++
    if (tokenised < charactersTokenised) {
      const part = beginning(document)
      const before = process.cpuUsage()
      const ids = encoder.encode(part)
      add(packer.add(ids))
      microseconds += process.cpuUsage(before).user
      tokenised += sizeOf(part)
    } else if (characters > charactersCounted || sequences >= maxSequences) break
  }
  add(packer.rest())
  const all = characters > charactersCounted ? Infinity : (sequences * characters) / Math.max(1, tokenised)
  const each = Math.max(1, sequences)
  return {
    sequences: Math.min(all, maxSequences),
    tokens: tokens / each,
    seconds: microseconds / 1e6 / each,
    empty,
    unbegun,
    begin,
  }
}

/** A document, or its beginning where it is a long text. */
const beginning = (document: Document): Document =>
  document.kind === 'text' ? { kind: 'text', text: document.text.slice(0, charactersTokenised) } : document

/** Characters of a document, about. */
export function sizeOf(document: Document): number {
  if (document.kind === 'text') return document.text.length
  if (document.kind === 'ids') return 4 * document.ids.length
  if (document.kind === 'empty') return 0
  return document.messages.reduce((n, { content }) => n + lengthOf(content), 0)
}

/** Characters of a content: a text, or parts with texts in them. */
function lengthOf(content: unknown): number {
  if (typeof content === 'string') return content.length
  if (typeof content !== 'object' || content === null) return 0
  return Object.values(content).reduce((n: number, part) => n + lengthOf(part), 0)
}

/** Estimate of what one item of each task asks of a model. */
export interface ExpectedTasks {
  readonly tasks: number
  /** Positions that one item of each takes, all tasks together. */
  readonly positions: number
}

/** Estimates how long the items of tasks are, from the first few. @param positions  of the model, at most */
export async function expectedTasks(inputs: Inputs, positions: number): Promise<ExpectedTasks> {
  const { model, tasks } = inputs
  if (tasks === undefined) return { tasks: 0, positions: 0 }
  return once(inputs, ['tasks', positions], async () => {
    const { tokenizer } = new DocumentEncoder(model, Infinity)
    const all = Object.values(await readSplitTasks(tasks, { tokenizer, positions }, { share: 0, most: itemsRead }))
    return {
      tasks: all.length,
      positions: all.reduce((sum, { validation }) => sum + positionsOf(validation) / validation.items.length, 0),
    }
  })
}

/** Positions that the items of a task take, whatever they share not counted twice. */
function positionsOf(task: TaskItems): number {
  const pairs = ({ prompt, answer }: { readonly prompt: readonly number[]; readonly answer: readonly number[] }) =>
    prompt.length + answer.length
  switch (task.kind) {
    case 'choices':
      return task.items.reduce(
        (n, { prompt, choices }) => n + choices.reduce((sum, own) => sum + pairs({ prompt, ...own }), 0),
        0,
      )
    case 'texts':
      return task.items.reduce((n, { windows }) => n + windows.reduce((sum, own) => sum + pairs(own), 0), 0)
    case 'generations':
      return task.items.reduce((n, { prompt }) => n + prompt.length + task.most, 0)
    default:
      return task.items.reduce((n, own) => n + pairs(own), 0)
  }
}
