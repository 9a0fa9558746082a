import type { Tokenizer } from '../../model/index.js'
import { Failure } from '../../api/index.js'
import type { HarnessTask, Wording } from './config.js'
import type { PlacedDoc } from './data-set.js'
import { contentOf, problem, type Doc } from './source.js'
import { shown } from '../../errors/foreign.js'

/** Texts of a task's prompts, put together as the harness does. */
export class Prompts {
  private readonly pool: readonly { readonly doc: Doc; readonly content: string }[]

  /** @param pool  documents that examples are taken from, the first ones
   *  @param own   whether questions come from among them */
  constructor(
    private readonly task: HarnessTask,
    pool: readonly PlacedDoc[],
    private readonly own: boolean,
  ) {
    this.pool = pool.map(({ doc }) => ({ doc, content: contentOf(doc) }))
  }

  /** Description, examples and question. */
  context(doc: Doc): string {
    const { description, shots, wording } = this.task
    const said = description === undefined ? '' : description.text(doc)
    const examples = shots === undefined ? [] : this.examples(doc).map((shot) => this.example(shot))
    return [said, ...examples, question(wording, doc)].join('')
  }

  private examples(doc: Doc): readonly Doc[] {
    const { count, excluding } = this.task.shots!
    const asked = this.own || excluding ? contentOf(doc) : undefined
    const others = this.pool.filter(({ content }) => content !== asked)
    if (others.length < count)
      throw new Failure('InvalidInput', `num_fewshot is ${count}, but there are only ${others.length} examples`, {
        remedy: 'Lower num_fewshot, or give more documents.',
      })
    return others.slice(0, count).map(({ doc: shot }) => shot)
  }

  private example(doc: Doc): string {
    const { wording, delimiter } = this.task.shots!
    const answer = answerText(wording, doc)
    return question(wording, doc) + (answer === '' ? '' : wording.targetDelimiter + answer + delimiter)
  }
}

function question({ text, choice }: Wording, doc: Doc): string {
  const found = text.text(doc)
  // The harness would put the choices into the prompt.
  if (choice && /^\d+$/.test(found))
    throw problem(text.field, `gives ${found}, which the harness takes for an index`, 'Put some text before it.')
  return found
}

/** An example's answer. */
function answerText({ target, choice }: Wording, doc: Doc): string {
  let found = target.target(doc, choice !== undefined)
  if (choice && typeof found === 'number') found = choice.choices(doc)[found]
  if (Array.isArray(found)) found = (found as unknown[])[0]
  if (found === null) return ''
  if (typeof found !== 'string')
    throw problem(target.field, `gives ${shown(found)} for an example, not a text`, 'Use a template: "{{FIELD}}".')
  return found
}

/** Tokens of a context and of what may follow it, as the harness divides them: nothing is before an empty context but the
 *  token that begins texts. */
export function beginning(tokenizer: Tokenizer, prompt: readonly number[]): readonly number[] {
  if (prompt.length > 0) return prompt
  const { prefix } = tokenizer
  if (prefix === undefined)
    throw new Failure('InvalidInput', 'the prompt is empty, and the tokenizer names no token that begins texts', {
      remedy: 'Write a prompt, or name a bos_token in tokenizer_config.json.',
    })
  return [prefix]
}
