import { PromptTemplate } from '../../model/index.js'
import { Failure } from '../../api/index.js'
import { kindName } from '../json-records.js'
import type { Field } from './field.js'
import { pythonLiteral, type Literal } from './python-literal.js'
import { shown } from '../../errors/foreign.js'

/** A document of a task's data: fields as JSON has them; those that other documents have and it does not are null. */
export type Doc = Readonly<Record<string, unknown>>

/** A document as a text: documents with the same text are the same. */
export const contentOf = (doc: Doc): string =>
  JSON.stringify(doc, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value))

/** Where a text of a prompt comes from: a field of the document, or a template over its fields. */
export class Source {
  private readonly template: PromptTemplate | undefined

  constructor(readonly field: Field) {
    const { value } = field
    if (typeof value === 'string') this.template = field.placed(() => new PromptTemplate(value))
  }

  /** The field's value, or the rendered text; a value that is not a text stays as in the YAML. */
  value(doc: Doc): unknown {
    const { value } = this.field
    if (!this.template) return value
    const { text } = this.template
    return Object.hasOwn(doc, text) ? doc[text] : this.field.placed(() => this.template!.render(doc))
  }

  /** Whether the value comes from a field as it is. */
  isField(doc: Doc): boolean {
    return typeof this.field.value === 'string' && Object.hasOwn(doc, this.field.value)
  }

  /** A text. */
  text(doc: Doc): string {
    const found = this.value(doc)
    if (typeof found !== 'string')
      throw problem(this.field, `gives ${kindName(found)}, not a text`, 'Use a template: "{{FIELD}}".')
    return found
  }

  /** The choices: a list of texts, as the YAML, a field or a template that writes a Python list gives them. */
  choices(doc: Doc): readonly string[] {
    const { field } = this
    let found = this.value(doc)
    if (typeof found === 'string' && !this.isField(doc)) found = literal(field, found)
    else if (typeof found === 'object' && found !== null && !Array.isArray(found)) found = Object.values(found)
    if (!Array.isArray(found) || found.length === 0)
      throw problem(field, `gives ${Array.isArray(found) ? 'an empty list' : kindName(found)}, not a list of texts`)
    for (const choice of found as unknown[]) {
      if (typeof choice !== 'string')
        throw problem(field, `has the choice ${shown(choice)}, which is ${kindName(choice)}, not a text`)
      if (choice === '') throw problem(field, 'has a choice of no text')
    }
    return found as string[]
  }

  /**
   * The right answer: a text, an index, or several of them. As in the harness, a text of digits is an index where there are
   * choices, and a text in brackets a list.
   */
  target(doc: Doc, withChoices: boolean): unknown {
    const found = this.value(doc)
    if (typeof found === 'bigint') return Number(found)
    if (typeof found !== 'string' || this.isField(doc)) return found
    if (withChoices && /^\d+$/.test(found)) return Number(found)
    if (found.length < 2 || !found.startsWith('[') || !found.endsWith(']')) return found
    try {
      return pythonLiteral(found)
    } catch {
      return found
    }
  }
}

function literal(field: Field, text: string): Literal {
  try {
    return pythonLiteral(text)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw problem(field, `must write a Python list of texts, and ${error.message}`, 'Write one: "{{[FIELD, FIELD]}}".')
  }
}

/** What is wrong with what a key gives for a document. */
export const problem = (field: Field, message: string, remedy?: string): Failure =>
  new Failure('InvalidInput', `${field.name} ${message}`, remedy === undefined ? {} : { remedy })
