import type { Body } from './ast.js'
import { globals } from './globals.js'
import { metered } from './meter.js'
import { parse } from './parser.js'
import { Renderer } from './render.js'
import { Output, Scope } from './scope.js'
import { Dict, List, type Value } from './values.js'

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
    const given = [...variables]
    const characters = given.reduce((n, [, value]) => n + charactersOf(value), 0)
    return metered(
      () => {
        const out = new Output()
        new Renderer().body(this.body, new Scope(new Scope(undefined, globals(now)), given), out)
        return out.text
      },
      this.style === 'prompt',
      characters,
    )
  }
}

/** Number of characters of the texts in a value. */
function charactersOf(value: Value): number {
  if (typeof value === 'string') return value.length
  if (value instanceof List) return value.items.reduce<number>((n, item) => n + charactersOf(item), 0)
  if (!(value instanceof Dict)) return 0
  return value.pairs().reduce<number>((n, [key, item]) => n + charactersOf(key) + charactersOf(item), 0)
}
