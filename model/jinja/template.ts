import type { Body } from './ast.js'
import { globals } from './globals.js'
import { metered } from './meter.js'
import { parse } from './parser.js'
import { Renderer } from './render.js'
import { Output, Scope } from './scope.js'
import type { Value } from './values.js'

/** A Jinja template, rendered as transformers renders chat templates: with trim_blocks, lstrip_blocks, loop controls and the
 *  sandbox. */
export class Template {
  private readonly body: Body

  /** Parses a template. @throws JinjaError of the kind `syntax` */
  constructor(text: string) {
    this.body = metered(() => parse(text))
  }

  /** Renders the template.
   *  @param now  the current date for the template
   *  @throws JinjaError */
  render(variables: Iterable<readonly [string, Value]>, now: Date): string {
    return metered(() => {
      const out = new Output()
      new Renderer().body(this.body, new Scope(new Scope(undefined, globals(now)), variables), out)
      return out.text
    })
  }
}
