import type { Body } from './ast.js'
import { globals } from './globals.js'
import { metered } from './meter.js'
import { parse } from './parser.js'
import { Renderer } from './render.js'
import { Output, Scope } from './scope.js'
import type { Value } from './values.js'

/** A Jinja template in the sandbox, with loop controls. `chat`: rendered as transformers renders chat templates, with trim_blocks
 *  and lstrip_blocks. `prompt`: rendered as lm-evaluation-harness renders prompts, with blanks kept; using an undefined value is
 *  an error. */
export class Template {
  private readonly body: Body

  /** Parses a template. @throws JinjaError of the kind `syntax` */
  constructor(
    text: string,
    private readonly style: 'chat' | 'prompt' = 'chat',
  ) {
    this.body = metered(() => parse(text, style === 'chat' ? 'trimmed' : 'kept'))
  }

  /** Renders the template.
   *  @param now  the current date for the template
   *  @throws JinjaError */
  render(variables: Iterable<readonly [string, Value]>, now: Date): string {
    return metered(() => {
      const out = new Output()
      new Renderer().body(this.body, new Scope(new Scope(undefined, globals(now)), variables), out)
      return out.text
    }, this.style === 'prompt')
  }
}
