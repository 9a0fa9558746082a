import type { FrozenPlan } from '../../spec/frozen-plan.js'
import { sizeOf } from './data.js'
import { DocumentEncoder, readDocuments, type DataFile, type Document } from '../../data/documents.js'
import { leftOut, Packer, type Packing } from '../../data/packing.js'

/** Characters, about, that are tokenised to estimate the rest. */
const charactersTokenised = 2 ** 18

/** Characters to read: no number of passes is given for larger files. */
const charactersCounted = 2 ** 25

type Data = Readonly<Partial<Record<'train' | 'validate' | 'test', DataFile>>> & { readonly sequenceLength?: number }

/** Estimate of what a file becomes. */
interface Estimate {
  /** Infinity: of a large file. */
  readonly sequences: number
  /** Tokens of a sequence, without padding. */
  readonly tokens: number
  /** Null and empty records in what was looked at. */
  readonly empty: number
}

/**
 * What users should know about a plan's data before they run it: what is left out, how much of it is padding, and how often it
 * is repeated when the token budget exceeds it.
 */
export async function dataNotes({ inputs, stages }: FrozenPlan): Promise<string[]> {
  const { model, data } = inputs as { model?: unknown; data?: Data }
  const using = (type: string) => stages.find(({ uses, plugin }) => uses === type && plugin === undefined)?.params
  const prepare = using('prepare') as { packing: Packing; maxSequences?: number } | undefined
  if (typeof model !== 'string' || data?.train === undefined || prepare === undefined) return []
  const length = data.sequenceLength ?? 128
  const encoder = new DocumentEncoder(model, Infinity)
  const estimates = await estimate(data.train, encoder, prepare, length)
  const notes: string[] = []
  for (const name of ['train', 'validate', 'test'] as const) {
    const file = data[name]
    if (file === undefined) continue
    const { empty } = name === 'train' ? estimates : await estimate(file, encoder, prepare, length)
    if (empty > 0) notes.push(`data.${name}: ${leftOut(empty)}.`)
  }
  const padding = 1 - estimates.tokens / length
  if (padding > 0.5 && prepare.packing === 'documents')
    notes.push(
      `prepare: about ${(100 * padding).toFixed(0)} % of the positions are padding, because documents are shorter than the sequence length of ${length} (data.sequenceLength). \`stages: { prepare: { packing: continuous } }\` packs documents one after another.`,
    )
  const repeat = (stage: string, tokens: unknown, sequences: number, what: string) => {
    const times = Number(tokens) / (sequences * estimates.tokens)
    if (times >= 1.1)
      notes.push(
        `${stage}: ${String(tokens)} tokens are about ${times.toFixed(times < 10 ? 1 : 0)} passes over ${what}.`,
      )
  }
  const captured = Number(using('capture')?.sequences ?? Infinity)
  const most = Math.min(estimates.sequences, captured)
  const capturedWords = `the ${captured < estimates.sequences ? `${captured} captured sequences (capture.sequences)` : 'training data'}`
  repeat('distill', using('distill')?.tokens, most, capturedWords)
  repeat('uptrain', using('uptrain')?.tokens, estimates.sequences, 'the training data')
  return notes
}

async function estimate(
  file: DataFile,
  encoder: DocumentEncoder,
  { packing, maxSequences = Infinity }: { readonly packing: Packing; readonly maxSequences?: number },
  length: number,
): Promise<Estimate> {
  const packer = new Packer(packing, length, 0)
  let [sequences, tokens, tokenised, characters, empty] = [0, 0, 0, 0, 0]
  const add = (all: Iterable<readonly number[]>) => {
    for (const ids of all) [sequences, tokens] = [sequences + 1, tokens + ids.length]
  }
  for await (const document of readDocuments(file, Infinity)) {
    characters += sizeOf(document)
    if (document.kind === 'empty') empty++
    if (tokenised < charactersTokenised) {
      const part = beginning(document)
      add(packer.add(encoder.encode(part)))
      tokenised += sizeOf(part)
    } else if (characters > charactersCounted || sequences >= maxSequences) break
  }
  add(packer.rest())
  const all = characters > charactersCounted ? Infinity : (sequences * characters) / Math.max(1, tokenised)
  return { sequences: Math.min(all, maxSequences), tokens: tokens / Math.max(1, sequences), empty }
}

/** A document, or its beginning where it is a long text. */
const beginning = (document: Document): Document =>
  document.kind === 'text' ? { kind: 'text', text: document.text.slice(0, charactersTokenised) } : document
