import type { FrozenPlan } from '../../spec/frozen-plan.js'
import type { DataFile } from '../../data/documents.js'
import { expectedText, type ExpectedText } from '../../data/expected-text.js'
import { leftOut, type BeginOfText, type Packing } from '../../data/packing.js'
import { lossesOf, type Beginnings } from './beginnings.js'

type Data = Readonly<Partial<Record<'train' | 'validate' | 'test', DataFile>>> & { readonly sequenceLength?: number }

/**
 * What users should know about a plan's data before they run it: what is left out, how much of it is padding, and how often it
 * is repeated when the token budget exceeds it.
 */
export async function dataNotes({ inputs, stages }: FrozenPlan): Promise<string[]> {
  const { model, data } = inputs as { model?: unknown; data?: Data }
  const using = (type: string) => stages.find(({ uses, plugin }) => uses === type && plugin === undefined)?.params
  const prepare = using('prepare') as
    { readonly packing: Packing; readonly beginOfText?: BeginOfText; readonly maxSequences?: number } | undefined
  if (typeof model !== 'string' || data?.train === undefined || prepare === undefined) return []
  const read = { model, data }
  const length = data.sequenceLength ?? 128
  const { packing } = prepare
  const how = { ...prepare, length }
  const estimates = (await expectedText(read, 'train', how))!
  const notes: string[] = []
  const texts: (ExpectedText & { readonly name: string })[] = []
  for (const name of ['train', 'validate', 'test'] as const) {
    const text = name === 'train' ? estimates : await expectedText(read, name, how)
    if (text) texts.push({ name, ...text })
  }
  const unbegun = texts.filter((text) => text.unbegun.length > 0)
  const groups = unbegun.map((text) => text.unbegun)
  const losses = groups.length > 0 ? await lossesOf(model, groups, estimates.begin) : undefined
  for (const text of texts) {
    if (text.empty > 0) notes.push(`data.${text.name}: ${leftOut(text.empty)}.`)
    const at = unbegun.indexOf(text)
    if (at >= 0) notes.push(...unbegunNotes(text.name, text, losses?.[at], prepare.beginOfText))
  }
  const padding = 1 - estimates.tokens / length
  if (padding > 0.5 && packing === 'documents')
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

/** Nats a token by which a loss must fall to be worth a word. */
const notable = 0.1

/** Models that have always seen some tokens at the beginning of a text may predict badly without them: whether this one does.
 *  @param losses  of the sequences that begin without; undefined if that is not known */
function unbegunNotes(
  name: string,
  { unbegun, begin }: ExpectedText,
  losses: Beginnings | undefined,
  beginOfText: BeginOfText | undefined,
): string[] {
  const what = `data.${name}: sequences do not all begin with the tokens that the tokenizer puts at the beginning of a text`
  if (!losses) return [`${what}. Models that have always seen these predict badly without them.`]
  const { asTheyAre, begun } = losses
  if (asTheyAre - begun < notable) return []
  const remedy =
    beginOfText === 'documents'
      ? 'Leave out `beginOfText: documents` of `prepare`'
      : `Let the documents begin with them (${begin.length === 1 ? 'token' : 'tokens'} ${begin.join(', ')})`
  return [
    `${what}. On ${unbegun.length === 1 ? 'one' : unbegun.length} of these, the parent’s loss is ${asTheyAre.toFixed(2)} nats per token, and ${begun.toFixed(2)} with these tokens in front. ${remedy}.`,
  ]
}
