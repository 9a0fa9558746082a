import { Failure } from '../api/index.js'
import { JinjaError } from './jinja/errors.js'
import { fromJs } from './jinja/json.js'
import { Template } from './jinja/template.js'

/** Templates of prompts get no date that changes. */
const noDate = new Date(0)

/** A Jinja template of a prompt, rendered as lm-evaluation-harness does: blanks around tags and at the end stay, and a
 *  variable that the document does not have is an error. */
export class PromptTemplate {
  private readonly template: Template

  /** @throws Failure InvalidInput */
  constructor(
    /** The template as written. */
    readonly text: string,
  ) {
    // The harness's filter sorts keys and escapes for HTML, that of chat templates does not.
    if (/\|\s*tojson\b/.test(text)) throw wrong('the template uses the filter tojson, which is not supported here')
    this.template = attempt('cannot be read', () => new Template(text, 'prompt'))
  }

  /** @param fields  variables, as JSON has them
   *  @throws Failure InvalidInput */
  render(fields: Readonly<Record<string, unknown>>): string {
    return attempt('cannot be rendered', () =>
      this.template.render(
        Object.entries(fields).map(([name, value]) => [name, fromJs(value)] as const),
        noDate,
      ),
    )
  }
}

function attempt<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof JinjaError)) throw error
    const where = error.line === undefined || error.line === 1 ? '' : ` (line ${error.line} of it)`
    throw wrong(`the template ${what}: ${error.said.replace(/\.$/, '')}${where}`, error)
  }
}

const wrong = (message: string, cause?: Error) =>
  new Failure('InvalidInput', message, {
    ...(cause && { cause }),
    remedy: 'Write a Jinja template over the fields of the documents.',
  })
